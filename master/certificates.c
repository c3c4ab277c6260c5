/*
 * certificates.c - certificates and keys on their way.
 */
#include "master/certificates.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel_admin.h"
#include "common/log.h"
#include "master/tls_files.h"

enum {
	REST_SECONDS = 2,            /* files that have changed are left alone until they have not for so long */
	TRACE_MAX = 4 * 1024 * 1024, /* octets of what is remembered about all files */
};

static struct buf judged = {.limit = CHANNEL_BODY_MAX};
/* What the files looked like when they were sent, and at the last look. */
static struct buf sent = {.limit = TRACE_MAX}, seen = {.limit = TRACE_MAX};
static size_t sent_count;
static struct event *next_look;

/* --- to keys ------------------------------------------------------------------------ */

static void complain(void *context, const char *directory, const char *why)
{
	(void)context;
	log_error("no-certificates", log_string("directory", directory), log_string("reason", why));
}

static void be_silent(void *context, const char *directory, const char *why)
{
	(void)context;
	(void)directory;
	(void)why;
}

/* All that changes when a file does: another file behind a link, another content, another time. */
static void trace(struct buf *out, const struct tls_files *files)
{
	struct writer w = {out};

	buf_clear(out);
	for (size_t i = 0; i < files->count; i++) {
		struct stat st = {0};

		if (stat(files->all[i].path, &st) == -1)
			st.st_size = -1;
		write_string(&w, files->all[i].path);
		write_u64(&w, (uint64_t)st.st_dev);
		write_u64(&w, (uint64_t)st.st_ino);
		write_u64(&w, (uint64_t)st.st_size);
		write_u64(&w, (uint64_t)st.st_mtim.tv_sec);
		write_u64(&w, (uint64_t)st.st_mtim.tv_nsec);
		write_u64(&w, (uint64_t)st.st_ctim.tv_sec);
		write_u64(&w, (uint64_t)st.st_ctim.tv_nsec);
	}
}

static void send_file(struct channel *channel, const struct tls_file *named)
{
	/* A pipe of that name keeps nobody waiting. */
	int file = open(named->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct writer *w;

	if (file == -1)
		log_error("cannot-open", log_string("file", named->path), log_errno(errno));
	w = channel_begin(channel, CONTROL_FILE, 0);
	write_u8(w, (uint8_t)named->kind);
	write_string(w, named->path);
	if (file != -1)
		channel_attach(channel, file);
	channel_end(channel);
}

void certificates_send_files(const struct child *keys)
{
	struct tls_files files;

	tls_files_find(settings, &files, complain, NULL);
	/* Before they are opened: what changes in between is seen at the next look. */
	trace(&sent, &files);
	sent_count = files.count;
	for (size_t i = 0; i < files.count; i++)
		send_file(keys->channel, &files.all[i]);
	channel_send(keys->channel, CONTROL_FILES_END, 0);
	tls_files_free(&files);
}

/* --- watching -------------------------------------------------------------------------- */

static void look_again_in(int64_t seconds)
{
	const struct timeval wait = {seconds, 0};

	if (next_look == NULL)
		return;
	if (seconds > 0)
		event_add(next_look, &wait);
	else
		event_del(next_look);
}

/* A renewal writes one file after the other: it is waited for until they rest. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
	struct buf now = buf_with_limit(TRACE_MAX);
	struct tls_files files;
	bool are_found = tls_files_find(settings, &files, be_silent, NULL), have_changed, rest;
	size_t count = files.count;
	struct child *keys = children_find(ROLE_KEYS, 0);

	(void)fd;
	(void)what;
	(void)context;
	trace(&now, &files);
	tls_files_free(&files);
	/* A directory that is away for a moment takes nothing away. */
	have_changed = (are_found || count >= sent_count) && !slice_equal(buf_slice(&now), buf_slice(&sent));
	rest = slice_equal(buf_slice(&now), buf_slice(&seen));
	buf_free(&seen);
	seen = now;
	if (have_changed && rest && keys != NULL) {
		log_info("certificates-changed");
		certificates_send_files(keys);
		have_changed = false;
	}
	look_again_in(have_changed && settings->tls.watch > REST_SECONDS ? REST_SECONDS : settings->tls.watch);
}

bool certificates_watch(struct event_base *base)
{
	next_look = event_new(base, -1, 0, on_look, NULL);
	look_again_in(settings->tls.watch);
	return next_look != NULL;
}

void certificates_reload(void)
{
	look_again_in(settings->tls.watch);
}

/* --- from keys --------------------------------------------------------------------------- */

void certificates_send(const struct child *child)
{
	struct writer *w;

	if (child->channel == NULL || judged.len == 0)
		return;
	w = channel_begin(child->channel, CONTROL_CERTIFICATES, 0);
	buf_append_slice(w->out, buf_slice(&judged));
	channel_end(child->channel);
}

static void pass_on(const struct child *child, void *context)
{
	(void)context;
	if (child->row->takes_certificate)
		certificates_send(child);
}

bool certificates_judged(const struct message *m)
{
	struct control_certificate certificate;
	struct reader r = message_reader(m);

	for (uint32_t left = read_u32(&r); left > 0 && reader_ok(&r); left--)
		control_certificate_read(&r, &certificate);
	if (!reader_finished(&r))
		return false;
	buf_clear(&judged);
	if (!buf_append_slice(&judged, m->body)) {
		log_error("cannot-use-certificates", log_string("reason", "no memory"));
		return true;
	}
	children_each(pass_on, NULL);
	return true;
}

bool certificates_are_judged(void)
{
	return judged.len > 0;
}

void certificates_describe(struct channel *channel)
{
	struct reader r = reader_over(buf_slice(&judged));

	for (uint32_t left = read_u32(&r); left > 0 && reader_ok(&r); left--) {
		struct control_certificate certificate;
		struct admin_certificate told;

		if (!control_certificate_read(&r, &certificate))
			return;
		told = (struct admin_certificate){.file = certificate.file,
		    .names = certificate.names,
		    .problem = certificate.problem,
		    .not_after = certificate.not_after,
		    .is_shown = certificate.chain.len > 0};
		admin_certificate_write(channel_begin(channel, ADMIN_CERTIFICATE, 0), &told);
		channel_end(channel);
	}
}
