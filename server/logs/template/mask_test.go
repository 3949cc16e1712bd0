package template

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ message, want string }{
		{"", ""},
		{"all is well", "all is well"},
		{"  too \t many   spaces ", "too many spaces"},
		{"order 4711 placed by user 12", "order <*> placed by user <*>"},
		{"order 4711: placed", "order <*>: placed"},
		{"request took 12.5ms", "request took <*>"},
		{"request took 1m30.25s, 5% over", "request took <*>% over"},
		{"balance is -17.50 EUR", "balance is <*> EUR"},
		{"2026-11-21T10:00:00.123Z started", "<*> started"},
		{"2026-11-21 10:00:00,123 +0100 started", "<*> started"},
		{"2026/11/21 10:00:00 started", "<*>/<*>/<*> started"},
		{"dial tcp 10.0.0.1:5432: connect: connection refused", "dial tcp <*>: connect: connection refused"},
		{"dial tcp [2001:db8::ff00:42:8329]:443: i/o timeout", "dial tcp [<*>]:<*>: i/o timeout"},
		{"from fe80::1 to ::1", "from <*> to <*>"},
		{"block blk_-17 and blk_18, a_-b", "block <*> and <*>, a_-b"},
		{"mac aa:bb:cc:dd:ee:ff is gone", "mac <*> is gone"},
		{"std::vector is full", "std::vector is full"},
		{"add: bed: fee: no", "add: bed: fee: no"},
		{"job 9b2f1c3e-abcd-4def-aaaa-bcdefabcdefa failed", "job <*> failed"},
		{"job dabfacee-abcd-edef-aaaa-bcdefabcdefa failed", "job <*> failed"},
		{"trace 4bf92f3577b34da6a3ce929d0e0e4736 lost", "trace <*> lost"},
		{"nil pointer at 0x7ffee4c0", "nil pointer at <*>"},
		{"pod shop-7d9f8b6c5-xkzvw restarted", "pod shop-<*> restarted"},
		{"pod shop-7d9f8b6c5-x2z4w restarted", "pod shop-<*> restarted"},
		{"instance ip-10-0-3-17 is gone", "instance ip-<*> is gone"},
		{"x509: certificate signed by unknown authority", "x509: certificate signed by unknown authority"},
		{"cannot unmarshal string into Go value of type int64", "cannot unmarshal string into Go value of type int64"},
		{"GET /api/v1/users/123/orders/9f8e7d HTTP/1.1", "GET /api/v1/users/<*>/orders/<*> HTTP/<*>"},
		{"GET https://api.example.com/v1/users/42?token=abc&page=2 failed", "GET https://api.example.com/v1/users/<*>?<*> failed"},
		{"is it? yes", "is it? yes"},
		{"cannot open /var/log/shop/app.log", "cannot open /var/log/shop/app.log"},
		{`Get "http://10.0.0.1/x": context deadline exceeded`, `Get "<*>": context deadline exceeded`},
		{`user "alice" not found`, `user "<*>" not found`},
		{`user "" not found`, `user "<*>" not found`},
		{`user "al\"ice" not found`, `user "<*>" not found`},
		{`relation 'orders' does not exist`, `relation '<*>' does not exist`},
		{`can't connect, it isn't there`, `can't connect, it isn't there`},
		{`can't connect to 'it isn't there' now`, `can't connect to '<*>' now`},
		{`an "odd quote`, `an "odd quote`},
		{"a `raw\\` text", "a `<*>` text"},
		{`{"user":"bob","id":1,"tags":["a","b"]}`, `{"user":"<*>","id":<*>,"tags":["<*>","<*>"]}`},
		{"login user=alice from=10.0.0.1 ok=true", "login user=<*> from=<*> ok=<*>"},
		{`level=error msg="query 12 failed" err="no rows" path=/x/y took=3ms`, `level=error msg="query <*> failed" err="no rows" path=<*> took=<*>`},
		{"status=open, code=17; a == b, a=b", "status=open, code=<*>; a == b, a=<*>"},
		{"a=[1 2 3] b={x}", "a=[<*>] b={x}"},
		{"values 1, 2, 3 and [4,5,6]", "values <*> and [<*>]"},
		{"mail to alice.b+x@example.com was sent", "mail to <*> was sent"},
		{"mail to bob2@mail.example.com. Done", "mail to <*>. Done"},
		{"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:", "panic: runtime error: index out of range [<*>] with length <*>"},
		{"Traceback (most recent call last):\n  File \"x.py\", line 3\nValueError: invalid literal: 'x'\n", "ValueError: invalid literal: '<*>'"},
		{"key AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQr", "key <*>"},
		{"größe ändern für 3 Äpfel", "größe ändern für <*> Äpfel"},
		{"<*> is already <*>", "<*> is already <*>"},
		{"java.lang.OutOfMemoryError: Java heap space", "java.lang.OutOfMemoryError: Java heap space"},
		{`ERROR: duplicate key value violates unique constraint "users_email_key" (SQLSTATE 23505)`, `ERROR: duplicate key value violates unique constraint "<*>" (SQLSTATE <*>)`},
		{"a\x00b\x7fc", "a b c"},
	} {
		got := Mask(c.message)
		if got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.message, got, c.want)
		}
		if again := Mask(got); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	}
}

func TestMaskIsBounded(t *testing.T) {
	for _, unit := range []string{"word ", "1/", `"" `, "ü", "<*>/", "'a ", "a@b/", "\\", "x=1;"} {
		got := Mask(strings.Repeat(unit, 100_000))
		if len(got) > maxText || strings.HasSuffix(got, "<") || strings.HasSuffix(got, "<*") || !utf8.ValidString(got) {
			t.Errorf("%q: %d bytes, …%q", unit, len(got), got[len(got)-8:])
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{`a "b" c=1 d@e`, "2026-11-21T10:00:00Z 10.0.0.1:80 /a/1?x=y", "fe80::1 9b2f1c3e-abcd-4def-aaaa-bcdefabcdefa", "shop-7d9f8b6c5-xkzvw 'a' `b` <*>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Mask(s)
		if len(got) > maxText || strings.ContainsAny(got, "\n\t\x00") || strings.Contains(got, "  ") {
			t.Fatalf("%q becomes %q", s, got)
		}
		if utf8.ValidString(s) && len(s) <= maxText/3 && !utf8.ValidString(got) {
			t.Fatalf("%q becomes %q", s, got)
		}
		if again := Mask(s); again != got {
			t.Fatalf("%q becomes %q and %q", s, got, again)
		}
		// What is masked once and for all does not change with numbers.
		if more := Mask(got + " 7"); len(got) < maxText/2 && !strings.HasPrefix(Mask(got+" 8"), more) {
			t.Fatalf("%q: %q", got, more)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for name, message := range map[string]string{
		"refused": "dial tcp 10.0.0.1:5432: connect: connection refused",
		"query":   `query failed: ERROR: duplicate key value violates unique constraint "users_email_key" (SQLSTATE 23505) after 12.5ms`,
		"logfmt":  `level=error msg="query 12 failed" err="no rows" path=/x/y took=3ms user=alice trace=4bf92f3577b34da6a3ce929d0e0e4736`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(message)))
			var buf []byte
			for b.Loop() {
				buf = appendMask(buf[:0], message)
			}
		})
	}
}
