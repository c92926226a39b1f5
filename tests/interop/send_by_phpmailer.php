<?php
// Sends one message by PHPMailer: the order comes as JSON on standard input.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$order = json_decode(stream_get_contents(STDIN), false, 512, JSON_THROW_ON_ERROR);
$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = $order->host;
$mail->Port = $order->port;
$mail->Helo = 'client.example.test';
$mail->SMTPAuth = true;
$mail->AuthType = $order->mechanism;
$mail->Username = $order->user;
$mail->Password = $order->password;
$mail->SMTPSecure = $order->implicit_tls ? PHPMailer::ENCRYPTION_SMTPS : PHPMailer::ENCRYPTION_STARTTLS;
$mail->SMTPOptions = ['ssl' => ['cafile' => $order->ca_file, 'verify_peer' => true, 'verify_peer_name' => true]];
$mail->Timeout = 30;
$mail->CharSet = PHPMailer::CHARSET_UTF8;
$mail->setFrom($order->sender, $order->sender_name);
$mail->addAddress($order->recipient, $order->recipient_name);
$mail->Subject = $order->subject;
$mail->Body = $order->text;
$mail->addAttachment($order->file);
$mail->send();
