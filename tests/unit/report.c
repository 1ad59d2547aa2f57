/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is made of the rows of the conformance tests: verdicts, table, JSON and TAP. */
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "lib/report.h"

static const struct t_target targets[] = {
	{"kernel/anon", UF_BACKEND_KERNEL, T_ANON, 0, 0, true},
	{"engine/anon/mprotect+procmem", UF_BACKEND_ENGINE, T_ANON, 0, 0, true},
	{"engine/memfd/auto", UF_BACKEND_ENGINE, T_MEMFD, 0, 0, false},
};

enum {
	KERNEL,
	ANON,
	MEMFD,
	TARGETS,
};

static const struct t_suite suites[] = {{"open", NULL}, {"copy", NULL}, {NULL, NULL}};

static struct report report_of(const char *self)
{
	struct report report = {
		.program = "conform",
		.self = self,
		.targets = targets,
		.verdicts = {.suites = suites, .ntargets = TARGETS},
	};

	return report;
}

static const struct verdict_clause *clause_of(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->verdicts.nclauses; i++)
		if (!strcmp(report->verdicts.clauses[i].name, name))
			return &report->verdicts.clauses[i];
	return NULL;
}

/* What a callback prints. */
static void printed(void (*end)(const struct report *), const struct report *report, char *text,
		    size_t size)
{
	FILE *file = tmpfile();
	int before;
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	before = dup(STDOUT_FILENO);
	assert_true(before >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
	end(report);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(file);
	n = fread(text, 1, size - 1, file);
	text[n] = 0;
	fclose(file);
}

static void test_names(void **state)
{
	const char *at = "copy.3, fill.4";
	char name[VERDICT_NAME];

	assert_true(verdict_next(&at, name));
	assert_string_equal(name, "copy.3");
	assert_true(verdict_next(&at, name));
	assert_string_equal(name, "fill.4");
	assert_false(verdict_next(&at, name));

	assert_true(verdict_is("copy.3", "copy.3"));
	assert_true(verdict_is("copy.3", "copy"));
	assert_false(verdict_is("copy.31", "copy.3"));
	assert_false(verdict_is("copy.3", "cop"));
	assert_false(verdict_is("copy.3", "copy."));
	assert_false(verdict_is("copy.3", ""));
}

static void test_parts(void **state)
{
	char part[VERDICT_NAME];

	verdict_part(&targets[ANON], VERDICT_BACKEND, part);
	assert_string_equal(part, "engine");
	verdict_part(&targets[ANON], VERDICT_MEM, part);
	assert_string_equal(part, "anon");
	verdict_part(&targets[ANON], VERDICT_STRATEGY, part);
	assert_string_equal(part, "mprotect+procmem");
	verdict_part(&targets[KERNEL], VERDICT_STRATEGY, part);
	assert_string_equal(part, "");
}

/* One failure is a failure; without it one that passes is enough; a skip only if all are. */
static void test_several_rows(void **state)
{
	struct report r = report_of("self");
	const struct verdict_clause *c;

	verdict_add(&r.verdicts, "copy.1, copy.2", KERNEL, VERDICT_SKIP, "no swap");
	verdict_add(&r.verdicts, "copy.1", KERNEL, VERDICT_PASS, "");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_PASS, "");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_FAIL, "first");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_FAIL, "second");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_SKIP, "third");

	c = clause_of(&r, "copy.1");
	assert_int_equal(c->cells[KERNEL].verdict, VERDICT_PASS);
	assert_string_equal(c->cells[KERNEL].reason, "");
	assert_int_equal(c->cells[ANON].verdict, VERDICT_FAIL);
	assert_string_equal(c->cells[ANON].reason, "first");
	assert_int_equal(c->cells[MEMFD].verdict, VERDICT_NONE);
	c = clause_of(&r, "copy.2");
	assert_int_equal(c->cells[KERNEL].verdict, VERDICT_SKIP);
	assert_string_equal(c->cells[KERNEL].reason, "no swap");
	verdict_free(&r.verdicts);
}

static void test_order(void **state)
{
	static const char *const order[] = {"open.1", "copy.2", "copy.10", "alien.1"};
	struct report r = report_of("self");

	verdict_add(&r.verdicts, "alien.1, copy.10, copy.2", KERNEL, VERDICT_PASS, "");
	verdict_add(&r.verdicts, "open.1", KERNEL, VERDICT_PASS, "");
	verdict_finish(&r.verdicts, NULL);
	assert_int_equal(r.verdicts.nclauses, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(r.verdicts.clauses[i].name, order[i]);
	verdict_finish(&r.verdicts, "copy");
	assert_int_equal(r.verdicts.nclauses, 2);
	verdict_finish(&r.verdicts, "copy.1");
	assert_int_equal(r.verdicts.nclauses, 0);
	verdict_free(&r.verdicts);
}

static void test_json(void **state)
{
	struct report r = report_of("self");
	char text[4096];

	printed(report_json.end, &r, text, sizeof(text));
	assert_string_equal(text, "{\"results\":[\n]}\n");

	verdict_add(&r.verdicts, "copy.1", KERNEL, VERDICT_PASS, "");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_FAIL, "say \"\\\"\t\xc3");
	printed(report_json.end, &r, text, sizeof(text));
	assert_string_equal(
		text, "{\"results\":[\n"
		      "{\"clause\":\"copy.1\",\"backend\":\"kernel\",\"strategy\":\"\","
		      "\"mem\":\"anon\",\"result\":\"pass\",\"reason\":\"\"},\n"
		      "{\"clause\":\"copy.1\",\"backend\":\"engine\","
		      "\"strategy\":\"mprotect+procmem\",\"mem\":\"anon\",\"result\":\"fail\","
		      "\"reason\":\"say \\\"\\\\\\\"\\u0009\\u00c3\"}\n"
		      "]}\n");
	verdict_free(&r.verdicts);
}

/* A reason is told once, however many clauses and targets it concerns. */
static void test_table(void **state)
{
	struct report r = report_of("/helper");
	char text[4096];

	verdict_add(&r.verdicts, "copy.1, copy.2", KERNEL, VERDICT_SKIP, "refused");
	verdict_add(&r.verdicts, "copy.1", ANON, VERDICT_FAIL, "copy_row: wrong");
	verdict_add(&r.verdicts, "copy.1", MEMFD, VERDICT_PASS, "");
	verdict_finish(&r.verdicts, NULL);
	printed(report_table.end, &r, text, sizeof(text));
	assert_string_equal(text, "clause            kernel  engine\n"
				  "copy.1            skip    fail\n"
				  "copy.2            skip    -\n"
				  "\n"
				  "-: nothing to test there, as what cannot arise on that backend "
				  "(spec/differences.md)\n"
				  "\n"
				  "Failed\n"
				  "  copy_row: wrong\n"
				  "    engine/anon/mprotect+procmem: copy.1\n"
				  "  again: /helper --target TARGET --case NAME\n"
				  "\n"
				  "Skipped\n"
				  "  refused\n"
				  "    kernel/anon: all\n"
				  "\n"
				  "2 clauses; kernel: 0 pass, 0 fail, 2 skip; "
				  "engine: 0 pass, 1 fail, 0 skip\n");
	verdict_free(&r.verdicts);
}

/* No column for a backend on which nothing was run. */
static void test_column(void **state)
{
	struct report r = report_of("self");
	char text[4096];

	verdict_add(&r.verdicts, "copy.1", MEMFD, VERDICT_PASS, "");
	verdict_finish(&r.verdicts, NULL);
	printed(report_table.end, &r, text, sizeof(text));
	assert_string_equal(text, "clause            engine\n"
				  "copy.1            pass\n"
				  "\n"
				  "1 clause; engine: 1 pass, 0 fail, 0 skip\n");
	verdict_free(&r.verdicts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_parts),
		cmocka_unit_test(test_several_rows), cmocka_unit_test(test_order),
		cmocka_unit_test(test_json),	     cmocka_unit_test(test_table),
		cmocka_unit_test(test_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
