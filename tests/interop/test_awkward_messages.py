"""Messages that break signatures elsewhere go through submission and delivery; dkimpy, Mail::DKIM and OpenDKIM each verify them."""

import pathlib

from posthorn_test import verify, world

MESSAGES = sorted(pathlib.Path(__file__).resolve().parent.glob("messages/*.eml"))

# Fields that RFC 5322 s3.6 allows once: verifiers would sign for one of them and readers see the other.
REFUSED = {"duplicate_headers.eml"}


class Awkward(world.WorldTest):
    def through(self, header, body):
        w = self.world(keys=("rsa", "ed25519"), changes={"dkim": {"header": header, "body": body}})
        self.assertGreaterEqual(len(MESSAGES), 30)
        for path in MESSAGES:
            with self.subTest(message=path.name, canonicalization=f"{header}/{body}"):
                recipient = f"{path.stem.lower().replace('_', '-')}@dest.test"
                # What is repaired comes from clients that declare nothing.
                parameters = "" if path.name.startswith("repair_") else " BODY=8BITMIME SMTPUTF8"
                with w.daemon.client() as client:
                    reply = client.deliver("alice@example.test", [recipient], path.read_bytes(), parameters)
                    self.assertEqual(reply.code, 554 if path.name in REFUSED else 250, reply)
                if path.name in REFUSED:
                    continue
                message = w.sink.wait_for_message(recipient)
                self.assertIsNone(verify.all_pass(message.data, w.dns, count=2))
                self.assertLessEqual(max(map(len, message.data.split(b"\r\n"))), 998)
                self.assertTrue(message.data.partition(b"\r\n\r\n")[0].isascii() or "SMTPUTF8" in parameters)
                self.assertEqual(verify.tags(message.data)["c"], f"{header}/{body}")

    def test_relaxed_relaxed(self):
        self.through("relaxed", "relaxed")

    def test_simple_simple(self):
        self.through("simple", "simple")

    def test_relaxed_simple(self):
        self.through("relaxed", "simple")


if __name__ == "__main__":
    world.main()
