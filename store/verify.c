/*
 * verify.c - is this file one that LMDB can use without coming to harm?
 *
 * LMDB reads its file through a memory map and believes page numbers, offsets and
 * sizes that it finds there.  This walk believes nothing: it reads with pread(2),
 * checks each number against what it must fit into, and keeps a map of the pages
 * seen, so that it ends and finds pages that are used twice.
 *
 * The format is that of LMDB 0.9 (data version 1), little-endian, 64 bits:
 *
 *	page   u64 number, u16 pad, u16 kind, u16 lower, u16 upper, u16 offsets[]
 *	       (a run of overflow pages has u32 pages in place of lower and upper)
 *	node   u16 low, u16 high, u16 flags, u16 key size, key, data
 *	       (in a branch low, high and flags are the number of the page below)
 *	meta   behind a page's head: u32 magic, u32 version, u64 address, u64 map size,
 *	       tree free, tree main, u64 last page, u64 transaction
 *	tree   u32 pad, u16 flags, u16 depth, u64 counts[4], u64 root
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/codec.h"
#include "store/index.h"

enum {
	PAGE_HEAD = 16,
	NODE_HEAD = 8,
	TREE_SIZE = 48,
	META_SIZE = 136,
	META_OFFSET_TREES = 24,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 32768,
	KEY_SIZE_MAX = 511,
	DEPTH_MAX = 20,
	DATA_VERSION = 1,

	KIND_BRANCH = 0x01,
	KIND_LEAF = 0x02,
	KIND_OVERFLOW = 0x04,
	KIND_META = 0x08,

	NODE_BIG = 0x01,  /* the data lies in overflow pages */
	NODE_TREE = 0x02, /* the data is a tree */
	INTEGER_KEYS = 0x08,
};

#define META_MAGIC UINT32_C(0xbeefc0de)
#define NO_PAGE    UINT64_MAX

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct tree {
	uint16_t flags;
	uint16_t depth;
	uint64_t root;
};

struct meta {
	uint32_t page_size;
	uint64_t last_page;
	uint64_t txn_id;
	struct tree free;
	struct tree main;
};

struct walk {
	int fd;
	struct meta meta;
	unsigned char *seen; /* a bit for each page */
	const char *what;    /* what is wrong */
};

static bool unsound(struct walk *w, const char *what)
{
	w->what = what;
	return false;
}

static bool read_at(int fd, void *buffer, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, buffer, len, (off_t)offset) == (ssize_t)len;
}

static uint16_t u16_at(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint64_t number_at(const unsigned char *at, unsigned octets)
{
	uint64_t value = 0;

	for (unsigned i = octets; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

/* ---- the two heads of the file ---- */

static struct tree read_tree(struct reader *r, uint32_t *pad)
{
	struct tree tree;

	*pad = read_u32(r);
	tree.flags = read_u16(r);
	tree.depth = read_u16(r);
	for (int i = 0; i < 4; i++)
		read_u64(r);
	tree.root = read_u64(r);
	return tree;
}

static bool read_meta(int fd, uint64_t offset, uint64_t file_size, struct meta *out)
{
	unsigned char page[PAGE_HEAD + META_SIZE];
	struct reader r = reader_over(slice_of(page + PAGE_HEAD, META_SIZE));
	uint32_t pad;

	if (!read_at(fd, page, sizeof page, offset) || u16_at(page + 10) != KIND_META ||
	    read_u32(&r) != META_MAGIC || read_u32(&r) != DATA_VERSION)
		return false;
	read_u64(&r);
	read_u64(&r);
	out->free = read_tree(&r, &out->page_size);
	out->main = read_tree(&r, &pad);
	out->last_page = read_u64(&r);
	out->txn_id = read_u64(&r);
	return reader_finished(&r) && out->page_size >= PAGE_SIZE_MIN &&
	       out->page_size <= PAGE_SIZE_MAX && (out->page_size & (out->page_size - 1)) == 0 &&
	       out->last_page >= 1 && out->last_page < file_size / out->page_size &&
	       out->free.flags == INTEGER_KEYS && out->main.flags == 0;
}

static bool read_metas(int fd, struct meta metas[2])
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size > 0 && (uint64_t)size <= INDEX_MAP_MAX &&
	       read_meta(fd, 0, (uint64_t)size, &metas[0]) &&
	       read_meta(fd, metas[0].page_size, (uint64_t)size, &metas[1]) &&
	       metas[0].page_size == metas[1].page_size;
}

bool index_head_is_sound(int fd)
{
	struct meta metas[2];

	return lseek(fd, 0, SEEK_END) == 0 || read_metas(fd, metas);
}

/* ---- pages ---- */

/* Note `count` pages as used; false where one does not exist or was used before. */
static bool take_pages(struct walk *w, uint64_t page, uint64_t count)
{
	if (page < 2 || page > w->meta.last_page || count > w->meta.last_page - page + 1)
		return unsound(w, "a page beyond the end");
	for (uint64_t n = page; n < page + count; n++) {
		unsigned char bit = (unsigned char)(1U << (n & 7));

		if ((w->seen[n >> 3] & bit) != 0)
			return unsound(w, "a page used twice");
		w->seen[n >> 3] |= bit;
	}
	return true;
}

static bool check_tree(struct walk *w, enum tree_kind kind, const struct tree *tree);

/* The data of a big node: its overflow pages exist and are as many as its size says. */
static bool check_overflow(struct walk *w, uint64_t page, uint64_t size)
{
	unsigned char head[PAGE_HEAD];
	uint64_t count = (PAGE_HEAD - 1 + size) / w->meta.page_size + 1;

	if (!take_pages(w, page, count))
		return false;
	if (!read_at(w->fd, head, sizeof head, page * w->meta.page_size) ||
	    number_at(head, 8) != page || u16_at(head + 10) != KIND_OVERFLOW ||
	    number_at(head + 12, 4) != count)
		return unsound(w, "an overflow page");
	return true;
}

/* A list of free pages: a count, then numbers in falling order, none of them in use. */
static bool check_free_list(struct walk *w, const unsigned char *list, uint64_t size)
{
	uint64_t count = size < 8 ? 0 : number_at(list, 8), last = NO_PAGE;

	if (size < 8 || size % 8 != 0 || count != size / 8 - 1)
		return unsound(w, "a list of free pages");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t page = number_at(list + 8 * i, 8);

		if (page >= last)
			return unsound(w, "a list of free pages out of order");
		if (!take_pages(w, page, 1))
			return false;
		last = page;
	}
	return true;
}

static bool check_big_free_list(struct walk *w, uint64_t page, uint64_t size)
{
	unsigned char *list = size <= w->meta.last_page * 8 + 16 ? malloc((size_t)size) : NULL;
	bool sound = list != NULL &&
		     read_at(w->fd, list, (size_t)size, page * w->meta.page_size + PAGE_HEAD);

	sound = sound ? check_free_list(w, list, size) : unsound(w, "a long list of free pages");
	free(list);
	return sound;
}

static bool check_table_root(struct walk *w, const unsigned char *data, uint64_t size)
{
	struct reader r = reader_over(slice_of(data, TREE_SIZE));
	struct tree tree;
	uint32_t pad;

	if (size != TREE_SIZE)
		return unsound(w, "a table");
	tree = read_tree(&r, &pad);
	if (tree.flags != 0)
		return unsound(w, "a table's kind");
	return check_tree(w, TREE_TABLE, &tree);
}

/* What a leaf's node holds; `room` octets of the page are left behind its key. */
static bool check_data(struct walk *w, enum tree_kind kind, const unsigned char *node,
    const unsigned char *data, size_t room)
{
	uint64_t size = number_at(node, 4);
	uint16_t flags = u16_at(node + 4);

	if (flags == NODE_BIG && kind != TREE_MAIN) {
		uint64_t page;

		if (room < 8)
			return unsound(w, "a node beyond its page");
		page = number_at(data, 8);
		return check_overflow(w, page, size) &&
		       (kind != TREE_FREE || check_big_free_list(w, page, size));
	}
	if (flags != (kind == TREE_MAIN ? NODE_TREE : 0))
		return unsound(w, "a node's kind");
	if (size > room)
		return unsound(w, "a node beyond its page");
	if (kind == TREE_MAIN)
		return check_table_root(w, data, size);
	return kind != TREE_FREE || check_free_list(w, data, size);
}

/* A node's place and key; the key comes after the one before. */
static bool check_key(struct walk *w, enum tree_kind kind, const unsigned char *page, size_t number,
    size_t upper, struct slice *key)
{
	size_t offset = u16_at(page + PAGE_HEAD + 2 * number);
	struct slice before = *key;
	bool is_branch = u16_at(page + 10) == KIND_BRANCH;
	size_t size;

	if (offset < upper || offset + NODE_HEAD > w->meta.page_size || offset % 2 != 0)
		return unsound(w, "a node beyond its page");
	size = u16_at(page + offset + 6);
	if (size > KEY_SIZE_MAX || size > w->meta.page_size - offset - NODE_HEAD)
		return unsound(w, "a key beyond its page");
	*key = slice_of(page + offset + NODE_HEAD, size);
	/* A branch's first key is never looked at. */
	if (is_branch && number == 0) {
		*key = slice_of(NULL, 0);
		return true;
	}
	if (kind == TREE_FREE) {
		if (size != 8)
			return unsound(w, "a key's size");
		return before.len != 8 ||
		       number_at((const unsigned char *)before.data, 8) <
			   number_at((const unsigned char *)key->data, 8) ||
		       unsound(w, "keys out of order");
	}
	if (size == 0)
		return unsound(w, "an empty key");
	return before.len == 0 || slice_compare(before, *key) < 0 ||
	       unsound(w, "keys out of order");
}

/*
 * LMDB moves nodes about by their sizes: they must fill the page from `upper` to its
 * end without a gap and without lying over each other.
 */
static bool nodes_fill_page(struct walk *w, const unsigned char *page, size_t count, size_t upper)
{
	unsigned char used[PAGE_SIZE_MAX / 2] = {0};
	bool is_branch = u16_at(page + 10) == KIND_BRANCH;
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		size_t offset = u16_at(page + PAGE_HEAD + 2 * i);
		const unsigned char *node = page + offset;
		uint64_t size = NODE_HEAD + (uint64_t)u16_at(node + 6);

		if (!is_branch)
			size += (u16_at(node + 4) & NODE_BIG) != 0 ? 8 : number_at(node, 4);
		size = (size + 1) & ~UINT64_C(1);
		if (size > w->meta.page_size - offset)
			return unsound(w, "a node beyond its page");
		for (size_t at = offset / 2; at < (offset + size) / 2; at++)
			if (used[at]++ != 0)
				return unsound(w, "nodes over each other");
		filled += (size_t)size;
	}
	return filled == w->meta.page_size - upper || unsound(w, "a gap between nodes");
}

static bool check_page(struct walk *w, enum tree_kind kind, uint64_t number, unsigned depth);

static bool check_nodes(
    struct walk *w, enum tree_kind kind, const unsigned char *page, unsigned depth)
{
	size_t lower = u16_at(page + 12), upper = u16_at(page + 14);
	bool is_branch = u16_at(page + 10) == KIND_BRANCH;
	struct slice key = slice_of(NULL, 0);
	size_t count;

	if (lower < PAGE_HEAD || lower % 2 != 0 || lower > upper || upper > w->meta.page_size)
		return unsound(w, "a page's bounds");
	count = (lower - PAGE_HEAD) / 2;
	if (count < (is_branch && kind != TREE_FREE ? 2 : 1))
		return unsound(w, "a page without nodes");
	for (size_t i = 0; i < count; i++) {
		const unsigned char *node = page + u16_at(page + PAGE_HEAD + 2 * i), *data;

		if (!check_key(w, kind, page, i, upper, &key))
			return false;
		data = node + NODE_HEAD + u16_at(node + 6);
		if (is_branch ? !check_page(w, kind, number_at(node, 6), depth - 1)
			      : !check_data(
				    w, kind, node, data, (size_t)(page + w->meta.page_size - data)))
			return false;
	}
	return nodes_fill_page(w, page, count, upper);
}

/* A page and all below it; `depth` levels are left, the leaves being level 1. */
static bool check_page(struct walk *w, enum tree_kind kind, uint64_t number, unsigned depth)
{
	unsigned char *page;
	bool sound;

	if (!take_pages(w, number, 1))
		return false;
	page = malloc(w->meta.page_size);
	if (page == NULL || !read_at(w->fd, page, w->meta.page_size, number * w->meta.page_size))
		sound = unsound(w, "a page that cannot be read");
	else if (number_at(page, 8) != number ||
		 u16_at(page + 10) != (depth == 1 ? KIND_LEAF : KIND_BRANCH))
		sound = unsound(w, "a page's kind");
	else
		sound = check_nodes(w, kind, page, depth);
	free(page);
	return sound;
}

static bool check_tree(struct walk *w, enum tree_kind kind, const struct tree *tree)
{
	if (tree->root == NO_PAGE)
		return tree->depth == 0 || unsound(w, "an empty tree");
	if (tree->depth == 0 || tree->depth > DEPTH_MAX)
		return unsound(w, "a tree's depth");
	return check_page(w, kind, tree->root, tree->depth);
}

bool index_pages_are_sound(int fd, uint64_t txn_id, const char **what)
{
	struct walk w = {.fd = fd, .what = "its head"};
	struct meta metas[2];
	bool sound;

	*what = w.what;
	if (!read_metas(fd, metas))
		return false;
	w.meta = metas[txn_id & 1];
	/* Another process has committed twice since: it is evidently able to use the file. */
	if (w.meta.txn_id > txn_id)
		return true;
	w.seen = calloc((size_t)(w.meta.last_page / 8 + 1), 1);
	if (w.seen == NULL)
		return false;
	sound = w.meta.txn_id == txn_id && check_tree(&w, TREE_MAIN, &w.meta.main) &&
		check_tree(&w, TREE_FREE, &w.meta.free);
	free(w.seen);
	*what = w.what;
	return sound;
}
