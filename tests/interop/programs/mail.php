<?php
// Sends one message by PHP's mail() and tells what that returned: the order comes as JSON in the first argument.
$order = json_decode($argv[1], false, 512, JSON_THROW_ON_ERROR);
$returned = isset($order->parameters)
    ? mail($order->to, $order->subject, $order->text, $order->header, $order->parameters)
    : mail($order->to, $order->subject, $order->text, $order->header);
echo json_encode($returned), "\n";
