/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* src/base: lists, spans, assertions. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/linger.h"
#include "base/list.h"
#include "base/span.h"
#include "unit.h"

struct element {
	int number;
	struct uf_list link;
};

/* The list is N elements, numbered as WANTED says, in both directions. */
static void check_list(struct uf_list *head, const int *wanted, size_t n)
{
	struct uf_list *pos = head;

	assert_int_equal(uf_list_empty(head), n == 0);
	for (size_t i = 0; i < n; i++) {
		pos = pos->next;
		assert_ptr_not_equal(pos, head);
		assert_ptr_equal(pos->prev->next, pos);
		assert_int_equal(UF_CONTAINER_OF(pos, struct element, link)->number, wanted[i]);
	}
	assert_ptr_equal(pos->next, head);
	assert_ptr_equal(head->prev, pos);
}

static void make_list(struct uf_list *head, struct element *elements, int n)
{
	uf_list_init(head);
	for (int i = 0; i < n; i++) {
		elements[i].number = i;
		uf_list_append(head, &elements[i].link);
	}
}

static void list_keeps_order(void **state)
{
	static const int all[] = {0, 1, 2, 3};
	struct element elements[4];
	struct uf_list head;

	(void)state;
	uf_list_init(&head);
	check_list(&head, NULL, 0);
	make_list(&head, elements, 4);
	check_list(&head, all, 4);
}

static void list_unlinks_anywhere(void **state)
{
	static const int without_first[] = {1, 2, 3};
	static const int without_middle[] = {1, 3};
	static const int without_last[] = {1};
	struct element elements[4];
	struct uf_list head;

	(void)state;
	make_list(&head, elements, 4);
	uf_list_unlink(&elements[0].link);
	check_list(&head, without_first, 3);
	uf_list_unlink(&elements[2].link);
	check_list(&head, without_middle, 2);
	uf_list_unlink(&elements[3].link);
	check_list(&head, without_last, 1);
	uf_list_unlink(&elements[1].link);
	check_list(&head, NULL, 0);
}

static void list_unlinks_twice(void **state)
{
	static const int rest[] = {0, 2};
	struct element elements[3];
	struct uf_list head;

	(void)state;
	make_list(&head, elements, 3);
	uf_list_unlink(&elements[1].link);
	assert_true(uf_list_empty(&elements[1].link));
	uf_list_unlink(&elements[1].link);
	check_list(&head, rest, 2);
}

static void list_moves_while_walked(void **state)
{
	static const int even[] = {0, 2, 4};
	static const int odd[] = {1, 3};
	struct element elements[5];
	struct uf_list from;
	struct uf_list to;
	struct uf_list *pos;
	struct uf_list *after;
	int seen = 0;

	(void)state;
	uf_list_init(&to);
	make_list(&from, elements, 5);
	UF_LIST_FOR_EACH (pos, after, &from) {
		struct element *e = UF_CONTAINER_OF(pos, struct element, link);

		assert_int_equal(e->number, seen++);
		if (e->number % 2) {
			uf_list_unlink(pos);
			uf_list_append(&to, pos);
		}
	}
	assert_int_equal(seen, 5);
	check_list(&from, even, 3);
	check_list(&to, odd, 2);
	UF_LIST_FOR_EACH (pos, after, &to)
		uf_list_unlink(pos);
	check_list(&to, NULL, 0);
	UF_LIST_FOR_EACH (pos, after, &to)
		fail_msg("an empty list has elements");
}

static void span_min_max(void **state)
{
	(void)state;
	assert_true(uf_min(0, UINT64_MAX) == 0 && uf_min(UINT64_MAX, 1) == 1);
	assert_true(uf_max(0, UINT64_MAX) == UINT64_MAX && uf_max(2, 1) == 2);
	assert_true(uf_min(7, 7) == 7 && uf_max(7, 7) == 7);
}

static void span_alignment(void **state)
{
	const uint64_t page = 4096;
	const uint64_t top = UINT64_MAX - page + 1;

	(void)state;
	assert_true(uf_aligned(0, page) && uf_aligned(page, page) && uf_aligned(top, page));
	assert_false(uf_aligned(1, page) || uf_aligned(page - 1, page) ||
		     uf_aligned(UINT64_MAX, page));
	assert_true(uf_aligned(3, 1));

	assert_true(uf_align_down(0, page) == 0 && uf_align_down(page - 1, page) == 0);
	assert_true(uf_align_down(page, page) == page && uf_align_down(UINT64_MAX, page) == top);

	assert_true(uf_align_up(0, page) == 0 && uf_align_up(1, page) == page);
	assert_true(uf_align_up(page, page) == page && uf_align_up(page + 1, page) == 2 * page);
	assert_true(uf_align_up(top - 1, page) == top && uf_align_up(top, page) == top);
	/* Sizes beyond 32 bits: a mask of the wrong width would show. */
	assert_true(uf_align_down(UINT64_C(0x7fffffffffff), UINT64_C(1) << 40) ==
		    UINT64_C(0x7f0000000000));
}

static void span_overlap(void **state)
{
	(void)state;
	assert_true(uf_overlap(10, 20, 10, 20));
	assert_true(uf_overlap(10, 20, 19, 30) && uf_overlap(19, 30, 10, 20));
	assert_true(uf_overlap(10, 20, 12, 13) && uf_overlap(12, 13, 10, 20));
	/* The end is exclusive. */
	assert_false(uf_overlap(10, 20, 20, 30) || uf_overlap(20, 30, 10, 20));
	assert_false(uf_overlap(10, 20, 40, 50));
	assert_true(uf_overlap(0, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX));
}

/* Of the next N waits each of which fails: in how many is there a try? */
static unsigned linger_tries(struct uf_linger *l, unsigned n)
{
	unsigned tries = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t rounds = uf_linger_rounds(l, 7);

		assert_true(rounds == 7 || rounds == 0);
		tries += rounds > 0;
		uf_linger_over(l, false);
	}
	return tries;
}

static void linger_learns(void **state)
{
	struct uf_linger l = {0};

	(void)state;
	assert_int_equal(linger_tries(&l, UF_LINGER_MISSES), UF_LINGER_MISSES);
	assert_int_equal(linger_tries(&l, UF_LINGER_RETRY * 10), 10);
	uf_linger_over(&l, true);
	assert_int_equal(linger_tries(&l, UF_LINGER_MISSES), UF_LINGER_MISSES);
	assert_int_equal(linger_tries(&l, 1), 0);
	assert_int_equal(uf_linger_rounds(&l, 0), 0);
}

static void compiler_helpers(void **state)
{
	struct element e = {.number = 7};
	char three[3];

	(void)state;
	assert_int_equal(UF_ARRAY_SIZE(three), 3);
	assert_ptr_equal(UF_CONTAINER_OF(&e.link, struct element, link), &e);
}

/* How a process ends in which the assertion is made. */
static int status_of_assertion(int cond)
{
	static const struct rlimit no_core;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* No core, and no report of a sanitizer: the signal is what is asked for. */
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		UF_ASSERT(cond);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assertion_traps(void **state)
{
	int status;

	(void)state;
	assert_int_equal(status_of_assertion(1), 0);
	status = status_of_assertion(0);
	assert_true(WIFSIGNALED(status));
	/* The processors trap in different ways. */
	assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

static void slow_assertion_costs_nothing(void **state)
{
	int evaluated = 0;

	(void)state;
	UF_ASSERT(++evaluated == 1);
	UF_ASSERT_SLOW(++evaluated == 2);
#ifdef UF_DEBUG
	assert_int_equal(evaluated, 2);
#else
	assert_int_equal(evaluated, 1);
#endif
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_keeps_order),
		cmocka_unit_test(list_unlinks_anywhere),
		cmocka_unit_test(list_unlinks_twice),
		cmocka_unit_test(list_moves_while_walked),
		cmocka_unit_test(span_min_max),
		cmocka_unit_test(span_alignment),
		cmocka_unit_test(span_overlap),
		cmocka_unit_test(linger_learns),
		cmocka_unit_test(compiler_helpers),
		cmocka_unit_test(assertion_traps),
		cmocka_unit_test(slow_assertion_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
