<?php
// A page of PHP without any library: a room of WebSockets, and a form that says something to all in it.
// $PUBLISH_AT is a file with the address of the publish listener and the key, as http://HOST:PORT?key=KEY.

$gripUrl = trim(file_get_contents(getenv('PUBLISH_AT')));
parse_str(parse_url($gripUrl, PHP_URL_QUERY), $parameters);
$key = $parameters['key'];

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function sign(string $unsigned, string $key): string
{
    return base64url(hash_hmac('sha256', $unsigned, $key, true));
}

/** Whether a token is one that the holder of the key has made, for now. */
function isSigned(string $token, string $key): bool
{
    $parts = explode('.', $token);
    if (count($parts) !== 3 || !hash_equals(sign("$parts[0].$parts[1]", $key), $parts[2])) {
        return false;
    }
    $claims = json_decode(base64_decode(strtr($parts[1], '-_', '+/')), true);
    return ($claims['exp'] ?? 0) > time();
}

function event(string $kind, string $content): string
{
    return sprintf("%s %x\r\n%s\r\n", $kind, strlen($content), $content);
}

/** The events of a request, each a kind and a content. */
function events(string $body): Generator
{
    while ($body !== '') {
        [$line, $body] = explode("\r\n", $body, 2);
        [$kind, $size] = explode(' ', $line) + [1 => null];
        $content = '';
        if ($size !== null) {
            $content = substr($body, 0, hexdec($size));
            $body = substr($body, hexdec($size) + 2);
        }
        yield [$kind, $content];
    }
}

if (($_SERVER['CONTENT_TYPE'] ?? '') === 'application/websocket-events') {
    if (!isSigned($_SERVER['HTTP_GRIP_SIG'] ?? '', $key)) {
        http_response_code(403);
        exit('this is for our gateway');
    }
    header('Content-Type: application/websocket-events');
    foreach (events(file_get_contents('php://input')) as [$kind, $content]) {
        switch ($kind) {
            case 'OPEN':
                header('Sec-WebSocket-Extensions: grip');
                echo "OPEN\r\n";
                echo event('TEXT', 'c:' . json_encode(['type' => 'subscribe', 'channel' => 'room']));
                echo event('TEXT', 'm:welcome');
                break;
            case 'TEXT':
                echo event('TEXT', "m:you said $content");
                break;
            case 'CLOSE':
                echo event('CLOSE', $content);
                break;
        }
    }
    exit;
}

$unsigned = base64url('{"alg":"HS256","typ":"JWT"}') . '.' . base64url(json_encode(['exp' => time() + 60]));
$token = $unsigned . '.' . sign($unsigned, $key);
echo file_get_contents(strtok($gripUrl, '?') . '/channels/room', false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => "Authorization: Bearer $token\r\nContent-Type: text/plain",
    'content' => $_POST['text'],
]]));
