<?php
// A blog that tells of its entries by php-zmq, as Ratchet's push tutorial has it: php zmq_push.php ADDRESS CATEGORY COUNT
// Each is JSON whose "category" is the topic. It prints PASS once all are on their way.

[, $address, $category, $count] = $argv;
$context = new ZMQContext();
$socket = $context->getSocket(ZMQ::SOCKET_PUSH, 'my pusher');
$socket->setSockOpt(ZMQ::SOCKOPT_LINGER, 5000);
$socket->connect($address);
for ($number = 0; $number < $count; $number++) {
    $socket->send(json_encode([
        'category' => $category,
        'title' => "Entry $number",
        'article' => "Grüße \u{2026}",
    ]));
}
echo "PASS php-zmq ", phpversion('zmq'), "\n";
