/* What delivery/maildir promises: headers in front, homes made and kept open, failures deferred. */
#include "tests/unit/store/scratch.h"

#include <errno.h>

#include "common/buf.h"
#include "common/conf.h"
#include "delivery/maildir/deliver.h"
#include "delivery/maildir/homes.h"

#define CONTENT "Subject: hello\r\n\r\none\r\n"

static struct conf *conf;

static void set_up(void)
{
	conf = conf_new();
	conf->values.hostname = strdup("mail.example.org");
	settings = &conf->values;
}

static void tear_down(void)
{
	settings = NULL;
	conf_free(conf);
}

TestSuite(delivery_maildir, .init = set_up, .fini = tear_down);

static struct delivery_recipient alice(void)
{
	return (struct delivery_recipient){
	    .index = 3,
	    .address = SLICE("alice@example.org"),
	    .mailbox = SLICE("example.org/alice"),
	};
}

static struct delivery_job job_for(struct delivery_recipient *recipients, uint32_t count)
{
	return (struct delivery_job){
	    .job = 1,
	    .id = 1763700000000000,
	    .size = sizeof CONTENT - 1,
	    .sender = SLICE("bob@example.net"),
	    .prepend = SLICE("Received: from a\r\n\tby b\r\n"),
	    .recipients = recipients,
	    .recipient_count = count,
	};
}

static struct delivery_recipient_result deliver(
    struct homes *homes, const struct delivery_job *job, uint32_t which)
{
	struct delivery_recipient_result result = {0};
	int content = scratch_content(CONTENT, sizeof CONTENT - 1);

	deliver_to_mailbox(homes, job, content, &job->recipients[which], false, &result);
	close(content);
	return result;
}

Test(delivery_maildir, the_senders_and_recipients_names_and_the_trace_stand_in_front_of_the_content)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);
	struct delivery_recipient_result result = deliver(homes, &job, 0);
	char name[256], path[300];

	cr_assert_eq(result.index, 3);
	cr_assert_eq(result.outcome, DELIVERY_DELIVERED);
	cr_assert(slice_equal(result.status, SLICE("2.0.0")));
	cr_assert_eq(scratch_list(&s, "Maildir/new", name), 1);
	snprintf(path, sizeof path, "Maildir/new/%s", name);
	cr_assert_str_eq(scratch_read(&s, path), "Return-Path: <bob@example.net>\n"
						 "Delivered-To: alice@example.org\n"
						 "Received: from a\n\tby b\n"
						 "Subject: hello\n\none\n");
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, the_null_sender_and_an_aliased_recipient_are_told_in_the_headers)
{
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);
	struct buf out = buf_with_limit(4096);

	recipient.envelope_address = SLICE("sales@example.org");
	job.sender = SLICE("");
	job.prepend = SLICE("");
	cr_assert(deliver_headers(&job, &recipient, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("Return-Path: <>\r\n"
						     "X-Original-To: sales@example.org\r\n"
						     "Delivered-To: alice@example.org\r\n")));
	buf_free(&out);
}

Test(delivery_maildir, a_mailbox_that_is_not_there_is_made)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);
	struct stat st;

	recipient.mailbox = SLICE("example.net/new/carol");
	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	cr_assert_eq(fstatat(s.root, "example.net/new/carol/Maildir/new", &st, 0), 0);
	cr_assert_eq(st.st_mode & 0777, 0700, "nobody else may look in");
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, delivering_again_is_harmless)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);

	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	job.redeliver = true;
	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 1);
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, no_path_leads_out_of_the_mail_root)
{
	static const char *const paths[] = {"", "/etc", "..", "../alice", "example.org/../../etc",
	    "./alice", "example.org//alice", "example.org/"};
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct delivery_recipient_result result;

		recipient.mailbox = slice_string(paths[i]);
		result = deliver(homes, &job, 0);
		cr_assert_eq(result.outcome, DELIVERY_DEFERRED, "\"%s\" was taken", paths[i]);
		cr_assert(slice_equal(result.status, SLICE("4.3.0")));
	}
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, a_symbolic_link_in_the_place_of_a_home_is_not_followed)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);

	cr_assert_eq(symlinkat("example.org", s.root, "link"), 0);
	recipient.mailbox = SLICE("link/alice");
	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DEFERRED);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, a_home_that_was_taken_away_is_made_anew)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct delivery_recipient recipient = alice();
	struct delivery_job job = job_for(&recipient, 1);
	char path[200];

	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	snprintf(path, sizeof path, "%s/example.org", s.path);
	nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	cr_assert_eq(deliver(homes, &job, 0).outcome, DELIVERY_DELIVERED);
	cr_assert_eq(faccessat(s.root, "example.org/alice/Maildir/new", R_OK, 0), 0);
	homes_free(homes);
	scratch_remove(&s);
}

Test(delivery_maildir, a_home_stays_open_and_the_least_used_one_makes_room)
{
	struct scratch s = scratch_make();
	struct homes *homes = homes_new(s.root, HOMES_MAX);
	struct home first, again;

	cr_assert(homes_open(homes, SLICE("example.org/alice"), &first));
	cr_assert(homes_open(homes, SLICE("example.org/alice"), &again));
	cr_assert_eq(first.descriptor, again.descriptor);
	cr_assert_not(first.is_elsewhere);
	for (int i = 0; i < HOMES_MAX + 10; i++) {
		char path[64];
		struct home other;

		snprintf(path, sizeof path, "example.org/user%d", i);
		cr_assert(
		    homes_open(homes, slice_string(path), &other), "%s: %s", path, strerror(errno));
		cr_assert(homes_open(homes, SLICE("example.org/alice"), &again));
		cr_assert_eq(first.descriptor, again.descriptor, "the one in use was closed");
	}
	homes_free(homes);
	scratch_remove(&s);
}
