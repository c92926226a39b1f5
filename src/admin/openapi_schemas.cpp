// The schemas of what endpoints answer (JSON Schema, as OpenAPI 3.1 has it). tests/interop/test_admin_api.py asks every endpoint, and fails
// where an answer has a member that stands here nowhere; what says "additionalProperties" is described on another page.
#include "admin/places.hpp"

namespace posthorn::admin {

std::string_view openapi_schemas() {
    return R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
"Time": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{3})?Z$"},
"TimeOrNull": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
"Count": {"type": "integer", "minimum": 0},
"QueueId": {"type": "string", "pattern": "^[0-9a-z]{13}$"},
"OpenApi": {"type": "object", "required": ["openapi", "info", "paths", "components"], "additionalProperties": true},

"Login": {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}},
"Session": {"type": "object", "required": ["rights", "read_only", "login", "hostname", "version"], "properties": {
  "rights": {"enum": ["none", "own", "read", "all"]},
  "read_only": {"type": "boolean", "description": "admin.read_only: nobody changes anything with a token"},
  "login": {"type": "boolean", "description": "whether a browser can log in"},
  "hostname": {"type": "string"},
  "version": {"type": "string", "description": "empty for who may nothing"}}},

"Health": {"type": "object", "required": ["healthy"], "properties": {"healthy": {"type": "boolean"}, "error": {"type": "string"}}},
"Config": {"type": "object", "required": ["settings", "toml"], "properties": {
  "settings": {"type": "object", "additionalProperties": true, "description": "docs/CONFIGURATION.md"},
  "toml": {"type": "string", "description": "the same as the configuration file would say it"}}},
"Sandbox": {"type": "object",
  "required": ["user", "root", "landlock", "no_landlock", "system_calls", "no_seccomp", "programs", "read", "write", "run", "kernel", "trials"],
  "properties": {
    "user": {"type": "string"}, "root": {"type": "boolean"}, "landlock": {"$ref": "#/components/schemas/Count"},
    "no_landlock": {"type": "string"}, "system_calls": {"$ref": "#/components/schemas/Count"}, "no_seccomp": {"type": "string"},
    "programs": {"type": "boolean"}, "read": {"type": "array", "items": {"type": "string"}},
    "write": {"type": "array", "items": {"type": "string"}}, "run": {"type": "array", "items": {"type": "string"}},
    "kernel": {"type": "object", "additionalProperties": {"type": "string"}},
    "trials": {"type": "array", "items": {"type": "object", "required": ["what", "guard", "as_wanted", "answer"], "properties": {
      "what": {"type": "string"}, "guard": {"type": "string"}, "as_wanted": {"type": "boolean"}, "answer": {"type": "string"}}}}}},
"Reloaded": {"type": "object", "required": ["reloaded"], "properties": {"reloaded": {"const": true}}},

"Recipient": {"type": "object",
  "required": ["id", "address", "state", "due_at", "attempts", "last_attempt", "class", "reply", "host"], "properties": {
  "id": {"$ref": "#/components/schemas/Count"},
  "address": {"type": "string"},
  "state": {"enum": ["waiting", "held"]},
  "held_by": {"enum": ["suspension", "operator"]},
  "delivering": {"const": true},
  "due_at": {"$ref": "#/components/schemas/Time"},
  "attempts": {"$ref": "#/components/schemas/Count"},
  "last_attempt": {"$ref": "#/components/schemas/TimeOrNull"},
  "class": {"type": "string", "description": "docs/REFUSALS.md"},
  "reply": {"type": "string"},
  "host": {"type": "string"},
  "in_doubt": {"type": "string", "description": "it may have been taken: our end was cut off before the reply"},
  "orcpt": {"type": "string"},
  "held": {"type": "string", "description": "why it waits though it is due"},
  "given_up": {"$ref": "#/components/schemas/Time"}}},
"Message": {"type": "object",
  "required": ["id", "accepted_at", "expires_at", "from", "size", "stream", "source", "origin", "recipient_count", "recipients"], "properties": {
  "id": {"$ref": "#/components/schemas/QueueId"},
  "accepted_at": {"$ref": "#/components/schemas/Time"},
  "expires_at": {"$ref": "#/components/schemas/Time"},
  "from": {"type": "string", "description": "of the envelope; empty: a bounce"},
  "size": {"$ref": "#/components/schemas/Count"},
  "stream": {"type": "string"},
  "source": {"type": "string", "description": "who handed it in: user=, uid=, ip="},
  "origin": {"type": "string", "description": "which program"},
  "suspension": {"$ref": "#/components/schemas/Suspension"},
  "require_tls": {"const": true},
  "recipient_count": {"$ref": "#/components/schemas/Count"},
  "recipients": {"type": "array", "items": {"$ref": "#/components/schemas/Recipient"}, "description": "the first hundred"}}},
"Suspension": {"type": "object", "required": ["since"], "properties": {"since": {"$ref": "#/components/schemas/Time"}, "reason": {"type": "string"}}},
"Queue": {"type": "object", "required": ["messages", "next"], "properties": {
  "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
  "next": {"anyOf": [{"$ref": "#/components/schemas/QueueId"}, {"type": "null"}]}}},
"Changed": {"type": "object", "required": ["recipients"], "properties": {"recipients": {"$ref": "#/components/schemas/Count"}}},

"Outcomes": {"type": "object", "required": ["delivered", "deferred", "failed"], "properties": {
  "delivered": {"$ref": "#/components/schemas/Count"}, "deferred": {"$ref": "#/components/schemas/Count"}, "failed": {"$ref": "#/components/schemas/Count"}}},
"AgeRow": {"type": "object", "required": ["name", "total", "counts"], "properties": {
  "name": {"type": "string"}, "total": {"$ref": "#/components/schemas/Count"},
  "counts": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}, "description": "one for each of `minutes`, and one for what is older"}}},
"Survey": {"type": "object", "required": ["ages", "success"], "properties": {
  "ages": {"type": "object", "required": ["by", "minutes", "rows", "names", "total"], "properties": {
    "by": {"enum": ["domain", "sender", "provider"]},
    "minutes": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}},
    "rows": {"type": "array", "items": {"$ref": "#/components/schemas/AgeRow"}},
    "names": {"$ref": "#/components/schemas/Count"},
    "total": {"$ref": "#/components/schemas/AgeRow"}}},
  "success": {"type": "array", "items": {"type": "object", "required": ["group", "hour", "day"], "properties": {
    "group": {"type": "string"}, "hour": {"$ref": "#/components/schemas/Outcomes"}, "day": {"$ref": "#/components/schemas/Outcomes"}}}}}},
"Why": {"type": "object", "required": ["asked", "kind", "now", "known", "answer"], "additionalProperties": true, "description": "docs/WHY.md"},

"Status": {"type": "object", "required": ["store"], "properties": {
  "store": {"type": "object",
    "required": ["healthy", "reason", "messages", "recipients", "inbox_bytes", "batches", "operations", "wal_bytes", "last_commit_microseconds"],
    "properties": {
      "healthy": {"type": "boolean"}, "reason": {"type": "string"},
      "messages": {"$ref": "#/components/schemas/Count"}, "recipients": {"$ref": "#/components/schemas/Count"},
      "inbox_bytes": {"$ref": "#/components/schemas/Count"}, "batches": {"$ref": "#/components/schemas/Count"},
      "operations": {"$ref": "#/components/schemas/Count"}, "wal_bytes": {"$ref": "#/components/schemas/Count"},
      "last_commit_microseconds": {"$ref": "#/components/schemas/Count"}}},
  "daemon": {"type": "object", "required": ["pid", "version", "up_seconds", "server", "delivery", "dns"], "additionalProperties": true}}},

"Pair": {"type": "object", "required": ["pair", "words", "sender", "provider", "reason", "phase", "since"], "properties": {
  "pair": {"type": "string"}, "words": {"type": "string"}, "sender": {"type": "string"}, "source": {"type": "string"}, "provider": {"type": "string"},
  "reason": {"type": "string"}, "phase": {"type": "string"}, "since": {"$ref": "#/components/schemas/Time"},
  "reply": {"type": "string"}, "host": {"type": "string"}, "rule": {"type": "string"}, "meaning": {"type": "string"},
  "advice": {"type": "string"}, "link": {"type": "string"},
  "causes": {"type": "array", "items": {"type": "string"}},
  "first_message": {"type": "string"}, "unexplained": {"type": "boolean"},
  "next_poll": {"$ref": "#/components/schemas/TimeOrNull"}, "next_probe": {"$ref": "#/components/schemas/TimeOrNull"},
  "until": {"$ref": "#/components/schemas/TimeOrNull"},
  "probes": {"$ref": "#/components/schemas/Count"}, "connections": {"$ref": "#/components/schemas/Count"},
  "diagnosis": {"type": ["object", "null"], "additionalProperties": true}}},
"Suspensions": {"type": "object", "required": ["suspensions"], "properties": {
  "suspensions": {"type": "array", "items": {"$ref": "#/components/schemas/Pair"}, "description": "docs/SUSPENSIONS.md"}}},
"Pairs": {"type": "object", "required": ["pairs"], "properties": {"pairs": {"type": "array", "items": {"type": "string"}}}},
"SuspendedUsers": {"type": "object", "required": ["suspended"], "properties": {
  "suspended": {"type": "array", "items": {"type": "object", "required": ["user", "since", "reason"], "properties": {
    "user": {"type": "string"}, "uid": {"$ref": "#/components/schemas/Count"},
    "since": {"$ref": "#/components/schemas/Time"}, "reason": {"type": "string"}}}}}},
"UserChanged": {"type": "object", "required": ["user", "suspended", "changed", "recipients", "finished"], "properties": {
  "user": {"type": "string"}, "suspended": {"type": "boolean"}, "changed": {"type": "boolean"},
  "recipients": {"$ref": "#/components/schemas/Count"},
  "finished": {"type": "boolean", "description": "false: the queue is long, and the rest follows"},
  "trouble": {"type": "string", "description": "in force, but only until the daemon ends: why it could not be written"}}},
"Suppressions": {"type": "object", "required": ["suppressed", "next"], "properties": {
  "suppressed": {"type": "array", "items": {"type": "object", "required": ["address", "since", "class", "reply"], "properties": {
    "address": {"type": "string"}, "since": {"$ref": "#/components/schemas/Time"}, "class": {"type": "string"}, "reply": {"type": "string"},
    "message": {"$ref": "#/components/schemas/QueueId"}}}},
  "next": {"type": ["string", "null"]}}},
"Suppressed": {"type": "object", "required": ["added", "known"], "properties": {
  "added": {"$ref": "#/components/schemas/Count"}, "known": {"$ref": "#/components/schemas/Count"}}},
"Unsuppressed": {"type": "object", "required": ["removed", "unknown"], "properties": {
  "removed": {"$ref": "#/components/schemas/Count"}, "unknown": {"$ref": "#/components/schemas/Count"}}},
"Guard": {"type": "object", "required": ["addresses"], "properties": {"addresses": {"type": "array", "items": {"type": "object",
  "required": ["address", "banned", "banned_seconds", "bans", "failures", "turned_away", "reason"], "properties": {
    "address": {"type": "string"}, "banned": {"type": "boolean"}, "banned_seconds": {"$ref": "#/components/schemas/Count"},
    "bans": {"$ref": "#/components/schemas/Count"}, "failures": {"type": "number"}, "turned_away": {"$ref": "#/components/schemas/Count"},
    "reason": {"type": "string"}}}}}},
"Forgiven": {"type": "object", "required": ["forgiven"], "properties": {"forgiven": {"type": "boolean"}}},

"SenderUse": {"type": "object", "required": ["messages", "recipients"], "properties": {
  "messages": {"$ref": "#/components/schemas/Count"}, "recipients": {"$ref": "#/components/schemas/Count"}}},
"Senders": {"type": "object", "required": ["senders"], "properties": {"senders": {"type": "array", "items": {"type": "object",
  "required": ["source", "user", "means", "hour", "day", "last", "suspended"], "properties": {
    "source": {"type": "string"}, "user": {"type": "string"}, "means": {"type": "string"},
    "hour": {"$ref": "#/components/schemas/SenderUse"}, "day": {"$ref": "#/components/schemas/SenderUse"},
    "last": {"$ref": "#/components/schemas/Time"}, "suspended": {"type": "boolean"}}}}}},

"Figures": {"type": "array", "minItems": 4, "maxItems": 7, "items": {"$ref": "#/components/schemas/Count"}},
"History": {"type": "object", "required": ["from", "to", "step_seconds", "columns", "rows", "providers"], "description": "docs/DASHBOARD.md", "properties": {
  "from": {"$ref": "#/components/schemas/Count"}, "to": {"$ref": "#/components/schemas/Count"}, "step_seconds": {"$ref": "#/components/schemas/Count"},
  "columns": {"type": "array", "items": {"type": "string"}},
  "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Figures"}},
  "providers": {"type": "object", "additionalProperties": {"type": "object", "required": ["delivered", "deferred", "failed", "rows"], "properties": {
    "delivered": {"$ref": "#/components/schemas/Count"}, "deferred": {"$ref": "#/components/schemas/Count"},
    "failed": {"$ref": "#/components/schemas/Count"}, "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Figures"}}}}}}},
"Verdicts": {"type": "object", "required": ["FAIL", "WARN", "UNKNOWN", "SKIP", "PASS"], "properties": {
  "FAIL": {"$ref": "#/components/schemas/Count"}, "WARN": {"$ref": "#/components/schemas/Count"}, "UNKNOWN": {"$ref": "#/components/schemas/Count"},
  "SKIP": {"$ref": "#/components/schemas/Count"}, "PASS": {"$ref": "#/components/schemas/Count"}}},
"Domains": {"type": "object", "required": ["domains"], "description": "docs/DASHBOARD.md", "properties": {
  "domains": {"type": "array", "items": {"type": "object", "required": ["name", "examined_at"], "properties": {
    "name": {"type": "string"}, "examined_at": {"$ref": "#/components/schemas/TimeOrNull"},
    "verdict": {"type": "string"}, "counts": {"$ref": "#/components/schemas/Verdicts"}}}}}},
"Doctor": {"type": "object", "required": ["verdict", "counts", "providers", "findings"], "description": "docs/DOCTOR.md", "properties": {
  "verdict": {"type": "string"}, "counts": {"$ref": "#/components/schemas/Verdicts"},
  "providers": {"type": "object", "additionalProperties": {"type": "string"}},
  "findings": {"type": "array", "items": {"type": "object",
    "required": ["verdict", "check", "subject", "title", "detail", "meaning", "repair", "records", "commands", "seen"], "properties": {
    "verdict": {"enum": ["FAIL", "WARN", "UNKNOWN", "SKIP", "PASS"]}, "check": {"type": "string"}, "subject": {"type": "string"},
    "title": {"type": "string"}, "detail": {"type": "string"}, "meaning": {"type": "object", "additionalProperties": {"type": "string"}},
    "repair": {"type": "string"}, "records": {"type": "array", "items": {"type": "string"}},
    "commands": {"type": "array", "items": {"type": "string"}},
    "seen": {"type": "object", "required": ["differs", "at_authority", "at_resolver", "ttl"], "properties": {
      "differs": {"type": "boolean"}, "at_authority": {"type": "string"}, "at_resolver": {"type": "string"},
      "ttl": {"$ref": "#/components/schemas/Count"}}}}}}}},
"Records": {"type": "object", "required": ["domain", "hostname", "ips", "asked", "zone", "remarks", "records"], "description": "docs/DNS.md", "properties": {
  "domain": {"type": "string"}, "hostname": {"type": "string"}, "ips": {"type": "array", "items": {"type": "string"}},
  "asked": {"type": "boolean"}, "zone": {"type": "string"}, "remarks": {"type": "array", "items": {"type": "string"}},
  "records": {"type": "array", "items": {"type": "object", "required": ["kind", "need", "state", "at_resolver", "ttl", "found", "words", "record"], "properties": {
    "kind": {"type": "string"}, "need": {"enum": ["required", "advised", "hint"]}, "state": {"enum": ["present", "missing", "differs", "unknown"]},
    "at_resolver": {"enum": ["present", "missing", "differs", "unknown"]}, "ttl": {"$ref": "#/components/schemas/Count"},
    "found": {"type": "string"}, "words": {"type": "string"},
    "record": {"type": "object", "required": ["name", "type", "value", "ttl", "zone", "host", "zone_file", "purpose"], "properties": {
      "name": {"type": "string"}, "type": {"type": "string"}, "value": {"type": "string"}, "ttl": {"$ref": "#/components/schemas/Count"},
      "zone": {"type": "string"}, "host": {"type": "string"}, "zone_file": {"type": "string"}, "purpose": {"type": "string"}}}}}}}},
"Diagnosis": {"type": "object", "required": ["domain", "sender_domain", "facts", "providers"], "additionalProperties": true, "description": "docs/DIAGNOSIS.md"},
"Route": {"type": "object", "required": ["domain", "sender_domain"], "properties": {
  "domain": {"type": "string"}, "sender_domain": {"type": "string"},
  "outcome": {"type": "string", "description": "there is no way: what would become of the mail"}, "class": {"type": "string"}, "reply": {"type": "string"},
  "way": {"enum": ["direct", "relay"]}, "relay": {"type": "string"}, "login": {"type": "string"}, "fallback": {"type": "string"},
  "provider": {"type": "string"}, "dnssec": {"type": "boolean"}, "mta_sts": {"type": "string"},
  "source": {"type": "object", "required": ["v4", "v6", "ipv6_used", "why"], "properties": {
    "v4": {"type": "string"}, "v6": {"type": "string"}, "ipv6_used": {"type": "boolean"}, "why": {"type": "string"}}},
  "hosts": {"type": "array", "items": {"type": "object", "required": ["preference", "name", "port", "addresses", "security", "why", "refuses"], "properties": {
    "preference": {"$ref": "#/components/schemas/Count"}, "name": {"type": "string"}, "port": {"$ref": "#/components/schemas/Count"},
    "addresses": {"type": "array", "items": {"type": "object", "required": ["address", "health"], "properties": {
      "address": {"type": "string"}, "health": {"type": "string"}}}},
    "security": {"type": "string"}, "why": {"type": "string"}, "refuses": {"type": "boolean"}}}},
  "why": {"type": "array", "items": {"type": "string"}},
  "troubles": {"type": "array", "items": {"type": "object", "required": ["relay", "fault", "reply"], "properties": {
    "relay": {"type": "string"}, "fault": {"type": "string"}, "reply": {"type": "string"}}}}}},

"Alarms": {"type": "object", "required": ["alarms"], "properties": {"alarms": {"type": "array", "items": {"type": "object",
  "required": ["alarm", "subject", "since", "told", "incident", "text", "advice"], "properties": {
    "alarm": {"type": "string", "description": "docs/EVENTS.md"}, "subject": {"type": "string"}, "since": {"$ref": "#/components/schemas/Time"},
    "told": {"$ref": "#/components/schemas/TimeOrNull"}, "incident": {"type": "string"}, "text": {"type": "string"}, "advice": {"type": "string"}}}}}},
"AlarmTest": {"type": "object", "required": ["fine", "lines"], "properties": {
  "fine": {"type": "boolean"}, "lines": {"type": "array", "items": {"type": "string"}}}},
"Webhooks": {"type": "object", "required": ["webhooks"], "properties": {"webhooks": {"type": "array", "items": {"type": "object",
  "required": ["name", "url", "told_to", "behind", "events", "requests", "failures", "gaps", "failing_since", "last_failure", "put_aside"], "properties": {
    "name": {"type": "string"}, "url": {"type": "string"}, "told_to": {"$ref": "#/components/schemas/Count"},
    "behind": {"$ref": "#/components/schemas/Count"}, "events": {"$ref": "#/components/schemas/Count"},
    "requests": {"$ref": "#/components/schemas/Count"}, "failures": {"$ref": "#/components/schemas/Count"}, "gaps": {"$ref": "#/components/schemas/Count"},
    "failing_since": {"$ref": "#/components/schemas/TimeOrNull"}, "last_failure": {"type": "string"},
    "put_aside": {"type": "array", "items": {"type": "object", "required": ["first", "last", "reply"], "properties": {
      "first": {"$ref": "#/components/schemas/Count"}, "last": {"$ref": "#/components/schemas/Count"}, "reply": {"type": "string"}}}}}}}}},
"Replayed": {"type": "object", "properties": {}},

"TlsDays": {"type": "object", "required": ["days"], "properties": {"days": {"type": "array", "items": {"type": "object",
  "required": ["day", "domain", "sessions", "failures"], "properties": {
    "day": {"type": "string"}, "domain": {"type": "string"},
    "sessions": {"$ref": "#/components/schemas/Count"}, "failures": {"$ref": "#/components/schemas/Count"}}}}}},
"TlsReport": {"type": "object", "required": ["organization-name", "date-range", "policies"], "additionalProperties": true, "description": "RFC 8460 section 4.4"},
"TlsRun": {"type": "object", "required": ["sent", "unwanted", "later", "finished"], "properties": {
  "sent": {"$ref": "#/components/schemas/Count"}, "unwanted": {"$ref": "#/components/schemas/Count"}, "later": {"$ref": "#/components/schemas/Count"},
  "finished": {"type": "boolean"}}}
})json";
}

}  // namespace posthorn::admin
