/* What workers.h promises. */
#include <criterion/criterion.h>
#include <event2/event.h>

#include "auth/workers.h"

enum { WORKS = 64 };

static struct work works[WORKS];
static struct event_base *base;
static unsigned done, right;

static void on_done(struct work *w)
{
	done++;
	right += w->right;
	for (size_t i = 0; i < sizeof w->password; i++)
		cr_assert_eq(w->password[i], '\0', "the password was not wiped");
	if (done == WORKS)
		event_base_loopbreak(base);
}

Test(workers, every_password_is_held_against_its_credential, .timeout = 20)
{
	struct buf text = buf_with_limit(512);
	struct credential c;
	const char *fault;

	cr_assert(credential_make(SLICE("pencil"), 4096, &text));
	cr_assert(credential_parse(buf_slice(&text), &c, &fault));
	base = event_base_new();
	cr_assert(workers_start(base, 3, on_done));
	for (unsigned i = 0; i < WORKS; i++) {
		works[i].credential = c;
		works[i].password_len = 6;
		memcpy(works[i].password, i % 4 == 0 ? "pencil" : "Pencil", 6);
		workers_submit(&works[i]);
	}
	cr_assert_eq(workers_busy(), WORKS);
	event_base_dispatch(base);
	cr_assert_eq(done, WORKS);
	cr_assert_eq(right, WORKS / 4);
	cr_assert_eq(workers_busy(), 0);
	workers_stop();
	event_base_free(base);
	buf_free(&text);
}
