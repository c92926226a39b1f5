<?php
// Sends messages by Symfony's mailer through a sendmail command, all in one dialogue: the order comes as JSON in the first argument.
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport\SendmailTransport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Email;

$order = json_decode($argv[1], false, 512, JSON_THROW_ON_ERROR);
$mailer = new Mailer(new SendmailTransport($order->command));
foreach ($order->to as $number => $to) {
    $mail = (new Email())
        ->from(new Address($order->from, 'Jörg Müller'))
        ->to($to)
        ->subject($order->subject . ' ' . ($number + 1))
        ->text($order->text)
        ->html('<p>' . nl2br(htmlspecialchars($order->text)) . '</p>');
    if ($order->bcc) {
        $mail->bcc(...$order->bcc);
    }
    $mailer->send($mail);
}
