<?php
// Sends one message by PHPMailer through mail() or sendmail: the order comes as JSON in the first argument.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$order = json_decode($argv[1], false, 512, JSON_THROW_ON_ERROR);
$mail = new PHPMailer(true);
$order->mode === 'mail' ? $mail->isMail() : $mail->isSendmail();
$mail->CharSet = PHPMailer::CHARSET_UTF8;
$mail->setFrom($order->from, $order->name);
$mail->addAddress($order->to, 'Łukasz Żółć');
foreach ($order->bcc as $hidden) {
    $mail->addBCC($hidden);
}
$mail->Subject = $order->subject;
$mail->Body = $order->text;
$mail->addStringAttachment(base64_decode($order->octets), 'Übersicht.bin');
$mail->send();
