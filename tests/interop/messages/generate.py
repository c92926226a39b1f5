#!/usr/bin/env python3
"""Writes the awkward messages of this folder: each breaks signatures, parsers or transports somewhere in the world.

All are from alice@example.test, have CRLF line ends, lines of at most 998 octets and no bare CR or LF, so that a
server that keeps to RFC 5321 takes them; but those named repair_ are what a submission server puts right first. `generate.py` writes them, `generate.py --check` says which file differs.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
BASE = ["Date: Fri, 21 Nov 2026 20:00:00 +0000", "From: Alice <alice@example.test>", "To: Bob <bob@dest.test>"]


def message(name, body, *fields, base=BASE):
    """Fields and body as text or octets; body lines are given with \\r\\n."""
    octets = lambda text: text if isinstance(text, bytes) else text.encode()
    header = [*base, f"Message-ID: <{name}@example.test>", *fields]
    return b"".join(octets(f) + b"\r\n" for f in header) + b"\r\n" + octets(body)


def lines(*parts):
    return "".join(part + "\r\n" for part in parts)


def multipart(boundary, *parts):
    text = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f"This is a multi-part message in MIME format.\r\n{text}--{boundary}--\r\n"


def all_messages():
    made = {}

    def add(name, body, *fields, base=BASE):
        made[name] = message(name, body, *fields, base=base)

    # Bodies: their ends, blanks, dots, length.
    add("plain", lines("Hello Bob,", "", "this is plain text.", "", "Alice"), "Subject: plain text")
    add("empty_body", "", "Subject: nothing follows")
    add("crlf_only_body", "\r\n", "Subject: one empty line")
    add("blank_lines_only", "\r\n" * 7, "Subject: seven empty lines")
    add("white_space_only", " \t \r\n\t\r\n   \r\n", "Subject: lines of blanks only")
    add("no_final_newline", "The last line has no line end", "Subject: no final newline")
    add("no_final_newline_blank", "The last line ends in a blank ", "Subject: no final newline after a blank")
    add("many_blank_lines_at_end", lines("text") + "\r\n" * 200, "Subject: 200 empty lines at the end")
    add("blank_lines_at_start", "\r\n" * 20 + lines("text"), "Subject: 20 empty lines first")
    add("blank_lines_inside", lines("a") + "\r\n" * 50 + lines("b") + "\r\n" * 50 + lines("c"), "Subject: gaps")
    add("trailing_white_space", lines("one ", "two\t", "three \t ", "four", " ", "five  "), "Subject: trailing blanks")
    add("runs_of_blanks", lines("  indented  text\t\twith   runs", "\tone\t \ttwo", "a \t b"), "Subject: runs of blanks")
    add("tabs_only_between_words", lines("a\tb\tc", "\td"), "Subject: tabs")
    add("dots_at_line_starts", lines(".", "..", "...", ".text", ". .", "a.", ".") + ".", "Subject: dots")
    add("long_lines", lines("x" * 998, "word " * 199 + "end", " " * 900 + "x", "y" * 998), "Subject: lines of 998 octets")
    add("from_at_line_start", lines("From here on", ">From there", "From alice@example.test Fri Nov 21"), "Subject: From_")
    add("looks_like_header", lines("DKIM-Signature: v=1; a=rsa-sha256; b=abc", "From: eve@evil.test", "", "x"), "Subject: header in body")
    add("large_body", lines(*(f"{i:06d} the same words again and again, with  two blanks " for i in range(4000))), "Subject: 220 KB")

    # Octets.
    mime8 = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
    add("utf8_body", lines("Grüße aus Köln,", "日本語のテキスト ", "кириллица  и  пробелы", "🙂\t🙂 "), "Subject: 8bit", *mime8)
    add("latin1_body", "Gr\xfc\xdfe \xa0 \x85 \xff\r\n\xe4 \r\n".encode("latin-1"), "Subject: latin1", "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit")
    add("odd_controls_in_body", b"form\x0cfeed\x0b\x07\x1b[0m\x7f\r\n\x0c\r\n", "Subject: control characters")
    add("quoted_printable", lines("Gr=C3=BC=C3=9Fe =", "soft =20", "=3D=3D =", "end=20"), "Subject: quoted-printable", "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable")

    # Header fields.
    add("folded_headers", lines("x"), "Subject: this subject\r\n is folded\r\n\tthree   times\r\n  with runs",
        "References: <1@example.test>\r\n <2@example.test>\r\n\t<3@example.test>", "Content-Type: text/plain;\r\n\tcharset=us-ascii")
    add("folded_at_once", lines("x"), "Subject:\r\n starts on the next line", "Reply-To:\r\n\t<a@example.test>")
    add("headers_trailing_white_space", lines("x"), "Subject: ends in blanks \t ", "Reply-To: <a@example.test> \r\n\t ,<b@example.test>\t")
    add("duplicate_headers", lines("x"), "Subject: first", "Subject: second", "Cc: one@dest.test", "Comments: a", "Cc: two@dest.test",
        "List-Id: <a.example.test>", "List-Id: <b.example.test>")
    add("three_to_fields", lines("x"), "To: two@dest.test", "to: three@dest.test", "Subject: instances bottom-up")
    add("odd_case_names", lines("x"), "SUBJECT: loud", "mime-version: 1.0", "cOnTeNt-TyPe: text/plain", "REPLY-TO: a@example.test",
        "list-ID: <x.example.test>", base=["date: Fri, 21 Nov 2026 20:00:00 +0000", "FROM: alice@example.test", "tO: bob@dest.test"])
    add("empty_header_values", lines("x"), "Subject:", "Cc:", "Reply-To: ", "In-Reply-To:\t", "X-Empty:", "Comments: ")
    add("no_subject", lines("x"))
    add("no_space_after_colon", lines("x"), "Subject:tight", "Reply-To:a@example.test",
        base=["Date:Fri, 21 Nov 2026 20:00:00 +0000", "From:alice@example.test", "To:bob@dest.test"])
    add("colons_in_values", lines("x"), "Subject: Re: Fwd:: a:b : c ; d=e; b=f", "X-Url: https://example.test:8443/?b=1;bh=2")
    add("encoded_words", lines("x"), "Subject: =?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n =?UTF-8?Q?_und_mehr?=", "Reply-To: =?utf-8?q?J=C3=B6rg?= <j@example.test>")
    add("utf8_headers", lines("x"), "Subject: Grüße  aus Köln 日本語 🙂", "Reply-To: Jörg Müller <joerg@example.test>",
        base=[BASE[0], "From: Ålice Ünïcode <alice@example.test>", "To: Bób <bob@dest.test>"])
    add("very_long_header", lines("x"), "Subject: long references", "References:" + "".join(f"\r\n <{i:04d}.{'r' * 60}@example.test>" for i in range(250)))
    add("long_header_line", lines("x"), "Subject: " + "s" * 980, "X-Long: " + "x" * 990)
    add("many_recipients_header", lines("x"), "Subject: many", "Cc: " + ",\r\n\t".join(f"Name {i} <user{i}@dest.test>" for i in range(400)))
    add("many_fields", lines("x"), "Subject: 200 fields", *(f"X-Field-{i}: value {i}" for i in range(200)))
    add("quoted_comment_addresses", lines("x"), "Subject: addresses", "Reply-To: \"Doe; Jane, b=\" (comment (nested)) <jane@example.test>",
        "Cc: group: a@dest.test, \"b@c\"@dest.test;, <d@dest.test>")
    add("list_mail", lines("x"), "Subject: list", "List-Unsubscribe: <https://example.test/u/abc>,\r\n <mailto:u@example.test?subject=a%20b>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "List-Id: News <news.example.test>", "List-Help: <https://example.test/h>",
        "Feedback-ID: 1:2:3:example", "Auto-Submitted: no", "Precedence: bulk")
    add("resent_and_trace", lines("x"), "Subject: resent",
        base=["Received: from a (a [192.0.2.1])\r\n\tby b with ESMTP id 1;\r\n\tFri, 21 Nov 2026 20:00:00 +0000",
              "Resent-Date: Fri, 21 Nov 2026 20:01:00 +0000", "Resent-From: alice@example.test", "Resent-To: bob@dest.test",
              "Resent-Message-ID: <r1@example.test>", *BASE])
    add("foreign_signature", lines("x"), "Subject: signed before", base=[
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=unknown.invalid;\r\n s=none; h=from:subject; bh=AAAA;\r\n b=AAAA=",
        "Authentication-Results: x.invalid; dkim=none", *BASE])

    # MIME.
    mime = "MIME-Version: 1.0"
    alternative = multipart("alt=_b", "Content-Type: text/plain; charset=utf-8\r\n\r\nHi  there \r\n",
                            "Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hi &nbsp; there</p>\t\r\n")
    add("multipart_alternative", alternative, "Subject: alternative", mime, 'Content-Type: multipart/alternative; boundary="alt=_b"')
    base64 = "\r\n".join("QUJD" * 19 for _ in range(100))
    add("multipart_attachment", multipart("=_mixed", "Content-Type: text/plain\r\n\r\ntext", "Content-Type: application/pdf; name=\"ä.pdf\"\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n" + base64), "Subject: attachment", mime,
        "Content-Type: multipart/mixed;\r\n boundary=\"=_mixed\"")
    add("multipart_nested", multipart("outer", "Content-Type: multipart/alternative; boundary=inner\r\n\r\n" + multipart("inner", "\r\none", "\r\ntwo")),
        "Subject: nested", mime, "Content-Type: multipart/mixed; boundary=outer")
    add("multipart_unterminated", "--b\r\nContent-Type: text/plain\r\n\r\nnever closed", "Subject: no end", mime,
        "Content-Type: multipart/mixed; boundary=b")
    add("message_rfc822", multipart("m", "Content-Type: message/rfc822\r\n\r\nFrom: x@example.test\r\nSubject: inner \r\n\r\nbody ."),
        "Subject: forwarded", mime, "Content-Type: multipart/mixed; boundary=m")
    # What submission repairs before it signs: the octets that leave are the ones that are signed.
    long_html = "<p>" + "Grüße " * 300 + "</p>"
    add("repair_long_html", long_html + "\r\n", "Subject: one long line", "MIME-Version: 1.0",
        "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit")
    add("repair_long_plain", lines("short", "x" * 3000, "- y", ". "), "Subject: no MIME fields")
    add("repair_long_parts", multipart("=_l", "Content-Type: text/plain\r\n\r\nstays",
                                       "Content-Type: text/html\r\n\r\n" + "y " * 800,
                                       "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + "QUFB" * 400),
        "Subject: one part", "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="=_l"')
    add("repair_long_large", lines(*(f"{i:06d} ordinary lines before the long one" for i in range(9000)), "z" * 2000), "Subject: from a file")
    add("repair_bare_cc", lines("x"), "Subject: bare", "Cc: carol, Dave <dave>", "Reply-To: alice")
    add("repair_latin1_text", "Gr\xfc\xdfe\r\n".encode("latin-1"), "Subject: charset unknown")
    add("repair_php", lines("x"), "Subject: php", "To: Bob <bob@dest.test>", "Subject: php", "X-PHP-Originating-Script: 33:mail.php")
    add("repair_no_date", lines("x"), "Subject: no date", base=BASE[1:])
    add("repair_folded_words", lines("x"), "Subject: long words", "X-Words: " + "word " * 300)
    return made


def main():
    made = all_messages()
    wrong = []
    for name, octets in made.items():
        if b"\n" in octets.replace(b"\r\n", b"") or b"\r" in octets.replace(b"\r\n", b""):
            raise SystemExit(f"{name}: a bare CR or LF")
        if not name.startswith("repair_") and max(map(len, octets.split(b"\r\n"))) > 998:
            raise SystemExit(f"{name}: a line over 998 octets")
        path = HERE / f"{name}.eml"
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_bytes() != octets:
                wrong.append(path.name)
        else:
            path.write_bytes(octets)
    wrong += [p.name for p in HERE.glob("*.eml") if p.stem not in made]
    if wrong:
        raise SystemExit("not as generate.py makes them: " + ", ".join(sorted(wrong)))
    print(f"{len(made)} messages")


if __name__ == "__main__":
    main()
