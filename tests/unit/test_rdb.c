/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of dumps (rdb/): every encoding, by bytes made by hand. */
#include "rdb_dump.h"

static void test_strings(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xfa\x03ver\x05"
		     "7.0.1"
		     "\xfe\x02"
		     "\xfb\x03\x01"
		     "\xfc\x10\x27\0\0\0\0\0\0"
		     "\x00\x01"
		     "a"
		     "\x02"
		     "hi"
		     "\xfd\x0a\0\0\0"
		     "\xf8\x05"
		     "\x00\x01"
		     "b"
		     "\xc0\xff"
		     "\xf9\x07"
		     "\x00\x01"
		     "c"
		     "\xc1\x00\x80"
		     "\x00\x01"
		     "d"
		     "\xc2\x00\x00\x00\x80"
		     "\x00\xc3\x07\x0c\x02"
		     "abc\xe0\0\2" /* a compressed name... */
		     "\xc3\x07\x0c\x02"
		     "abc\xe0\0\2"); /* ...and value, which nobody expands */
	expect(&body, "aux ver=7.0.1\nnumber 3#2\nnumber 4#3\nnumber 5#1\n"
		      "string a ex=10000: 14:2=hi (6)\n"
		      "string b ex=10000 idle=5: 14:2=-1 (5)\n"
		      "string c freq=7: 14:6=-32768 (6)\n"
		      "string d: 14:11=-2147483648 (8)\n"
		      "string abcabcabcabc: 14:12 (21)");
	buf_free(&body);
}

static void test_collections(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x01\x01l\x02\x01x\xc0\x05"
		     "\x02\x01s\x01\x01m"
		     "\x03\x01z\x02\x01m\x03"
		     "1.5"
		     "\x01n\xfe"
		     "\x05\x01Z\x01\x01m\0\0\0\0\0\0\0\0"
		     "\x04\x01h\x01\x01"
		     "f"
		     "\x01v"
		     "\x16\x02r1\x01\x00\x01"
		     "f"
		     "\x01v" /* 22: release candidate of 7.4 */
		     "\x18\x02r2\x01\0\0\0\0\0\0\0\x01\x05\x01"
		     "f"
		     "\x01v");
	expect(&body, "list l: 15#2 16:1=x 16:1=5 (8)\n"
		      "set s: 15#1 16:1=m (6)\n"
		      "zset z: 15#2 16:1=m 16:1=n (13)\n"
		      "zset Z: 15#1 16:1=m 17#0 (14)\n"
		      "hash h: 15#1 18:1=f 19:1=v (8)\n"
		      "hash r1: 15#1 20#0 18:1=f 19:1=v (10)\n"
		      "hash r2: 21#1 15#1 20#5 18:1=f 19:1=v (18)");
	buf_free(&body);
}

static void test_packed(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x09\x02zm\x09\x01\x01"
		     "f"
		     "\x02\x01"
		     "vw_"
		     "\xff"); /* one byte to spare */
	BYTES(&body, "\x0a\x02zl");
	put_ziplist(&body, LIST("a", "300"));
	BYTES(&body, "\x0b\x02is\x0c\x02\0\0\0\x02\0\0\0\x01\0\xff\xff");
	BYTES(&body, "\x0c\x02zz");
	put_ziplist(&body, LIST("m", "1"));
	BYTES(&body, "\x0d\x02hz");
	put_ziplist(&body, LIST("f", "v"));
	BYTES(&body, "\x0e\x02ql\x02");
	put_ziplist(&body, LIST("a"));
	put_ziplist(&body, LIST("b"));
	BYTES(&body, "\x10\x02hl");
	put_listpack(&body, LIST("f", "7"));
	BYTES(&body, "\x11\x02zp");
	put_listpack(&body, LIST("m", "2"));
	BYTES(&body, "\x12\x02q2\x02\x02");
	put_listpack(&body, LIST("a", "b"));
	BYTES(&body, "\x01\x03"
		     "big");
	BYTES(&body, "\x14\x02sl");
	put_listpack(&body, LIST("x"));
	BYTES(&body, "\x17\x02x1");
	put_listpack(&body, LIST("f", "v", "0"));
	BYTES(&body, "\x19\x02x2\0\0\0\0\0\0\0\0");
	put_listpack(&body, LIST("f", "v", "0"));
	expect(&body,
	       "hash zm: 27:9 [f vw] (14)\n"
	       "list zl: 26:18 [a 300] (27)\n"
	       "set is: 28:12 [1 -1] (17)\n"
	       "zset zz: 26:18 [m 1] (27)\n"
	       "hash hz: 26:17 [f v] (26)\n"
	       "list ql: 22#2 26:14 [a] 26:14 [b] (43)\n"
	       "hash hl: 29:20 [f 7] (29)\n"
	       "zset zp: 29:20 [m 2] (29)\n"
	       "list q2: 22#2 23#2 24:13=\\r\\x00\\x00\\x00\\x02\\x00\\x81a\\x02\\x81b\\x02\\xff"
	       " 23#1 24:3=big (29)\n"
	       "set sl: 29:10 [x] (19)\n"
	       "hash x1: 30:23 [f v 0] (32)\n"
	       "hash x2: 21#0 30:23 [f v 0] (40)");
	buf_free(&body);
}

/* What is told of one: its nodes and last id, what came with the second version, a group with its
 * last id, an entry that is pending, seen at, active at, that entry of the consumer. */
#define NODES	" 22#1 25:16=0123456789abcdef 31:27 [1 0] 32#1 41#5 42#0"
#define HEAD_2	" 43#0 44#0 45#1"
#define GROUP	" 33#1 34:2=gr 41#5 42#0"
#define ENTRY	" 47#3472611983179986487 48#4051376414998685030"
#define PENDING " 35#1" ENTRY " 49#3978425819141910832 50#2 36#1 37:2=co 51#3978425819141910832"
#define ACTIVE	" 52#3978425819141910832"
#define OWNED	" 38#1" ENTRY

static void test_streams(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\x0f");
	put_stream(&body, 1);
	BYTES(&body, "\x13");
	put_stream(&body, 2);
	BYTES(&body, "\x15");
	put_stream(&body, 3);
	expect(&body, "stream st:" NODES GROUP PENDING OWNED " (118)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING OWNED " (124)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (132)");
	buf_free(&body);
}

/* No server here writes these: they are Redis 8.6's and 8.8's. */
static void test_newest(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf3\x02" /* two classes of metadata: a string and a number, a string */
		     "spec\x05\x02hi\x02\x07\x00"
		     "SPEC\x05\x03you\x00"
		     "\x00\x01k\x01v");
	BYTES(&body, "\x1a");
	put_stream(&body, 4);
	BYTES(&body, "\x1b");
	put_stream(&body, 5);
	BYTES(&body, "\x1c\x01"
		     "a\x04\x01\x09" /* four elements; the next goes to place 9 */
		     "\x00\x00\x0c"
		     "a long story"
		     "\x01\x01"
		     "12345678"
		     "\x05\x02"
		     "12345678"
		     "\x08\x03\x02xy"
		     "\x1c\x01"
		     "b\x01\x00\x00\x03\x01z");
	expect(&body, "string k: 14:1=v (5)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (151)\n"
		      "stream st:" NODES HEAD_2 GROUP " 46#1" PENDING ACTIVE OWNED " (168)\n"
		      "array a: 15#4 (46)\n"
		      "array b: 15#1 (9)");
	buf_free(&body);
}

/* Nor these, of Redis 8.10: names that hashes share, and hashes of values only. */
static void test_templates(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf2\x01\x02\x01"
		     "a\x04name"
		     "\xf2\x00\x01\x01z"
		     "\x1e\x02h1");
	put_listpack(&body, LIST("1", "v", "300"));
	BYTES(&body, "\x20\x02h2\x01\xc0\x07\x05value"
		     "\x20\x02h3\x00\x01w");
	expect(&body, "number 53#1\nnumber 54#2\ntext 55:1=a\ntext 55:4=name\n"
		      "number 53#0\nnumber 54#1\ntext 55:1=z\n"
		      "hash h1: 56:30 [1 v 300] (39)\n"
		      "hash h2: 57#2 58:1=7 58:5=value (13)\n"
		      "hash h3: 57#1 58:1=w (7)");
	buf_free(&body);
}

static void test_modules_and_others(void **state)
{
	struct buf body = {};

	(void)state;
	BYTES(&body, "\xf5\x03lib" /* functions */
		     "\xf7\x81\0\0\0\0\0\0\0\x09\x02\x01\x02\x05\x00" /* module aux: a number */
		     "\xf4\x05\x02\x01" /* slot info */
		     "\x07\x02mo\x07" /* id 7: string, number, float, double, signed, end */
		     "\x05\x02hi\x02\x40\x80\x03"
		     "1234"
		     "\x04"
		     "12345678"
		     "\x01\x00\x00"
		     "\x00\x01k\x00");
	expect(&body, "text 11:3=lib\nnumber 12#9\nnumber 6#5\nnumber 4#2\nnumber 5#1\n"
		      "module mo: 39#7 40:2=hi (29)\n"
		      "string k: 14:0= (4)");
	buf_free(&body);
}

static void test_valkey(void **state)
{
	struct reader reader = {};
	struct buf all = {};
	struct err err = {};

	(void)state;
	BYTES(&all, "VALKEY080"
		    "\xf3\x03job\x01\x00\x05" /* slots that come in */
		    "\x16\x01h\x01\x01"
		    "f"
		    "\x01v"
		    "\x07\0\0\0\0\0\0\0"); /* 22 is another type */
	put_end(&all, true);
	assert_int_equal(read_all(&reader, all.data, all.len, 3, &err, NULL), 1);
	assert_string_equal(buf_str(&reader.told),
			    "valkey 80\nhash h: 15#1 18:1=f 19:1=v 20#7 (16)\nend 1");
	buf_free(&reader.told);
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_collections),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_modules_and_others),
		cmocka_unit_test(test_valkey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
