<?php
// A receiver of Posthorn's webhooks: checks the signature, keeps each event once, answers 204. docs/EVENTS.md tells about it.
// Behind a web server, or for a try: WEBHOOK_SECRET_FILE=webhook.secret EVENTS_FILE=events.jsonl php -S 127.0.0.1:8080 webhook_receiver.php
declare(strict_types=1);

const OLDEST = 300;   // seconds: an older request is somebody's recording

function is_signed(string $field, string $body, string $secret, int $now): bool
{
    $time = null;
    $signatures = [];
    foreach (explode(',', $field) as $part) {
        [$name, $value] = explode('=', $part, 2) + [1 => ''];
        if ($name === 't') {
            $time = $value;
        } elseif ($name === 'v1') {
            $signatures[] = $value;
        }
    }
    if ($time === null || !ctype_digit($time) || abs($now - (int) $time) > OLDEST) {
        return false;
    }
    $ours = hash_hmac('sha256', $time . '.' . $body, $secret);
    foreach ($signatures as $signature) {   // two while a secret is being changed: one that fits is enough
        if (hash_equals($ours, $signature)) {
            return true;
        }
    }
    return false;
}

$secret = trim(strtok(file_get_contents(getenv('WEBHOOK_SECRET_FILE')), "\n"));
$body = file_get_contents('php://input');
if (!is_signed($_SERVER['HTTP_POSTHORN_SIGNATURE'] ?? '', $body, $secret, time())) {
    http_response_code(401);
    exit;
}

$batch = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
$file = fopen(getenv('EVENTS_FILE'), 'c+');
flock($file, LOCK_EX);
$known = [];                                // a real receiver has a table with a unique key
while (($line = fgets($file)) !== false) {
    $known[json_encode(json_decode($line, true)['key'])] = true;
}
foreach ($batch['events'] as $event) {
    $key = [$batch['server'], $event['id'], $event['event']];
    if (!isset($known[json_encode($key)])) {   // each event comes at least once: the same one again is no news
        fwrite($file, json_encode(['key' => $key] + $event) . "\n");
    }
}
fflush($file);
fsync($file);                               // what is answered 2xx does not come again
http_response_code(204);
