<?php
/*
 * Plugin Name: Posthorn
 * Description: WordPress hands its mail to Posthorn by SMTP, without a sendmail program. Mount this file at wp-content/mu-plugins/posthorn.php.
 *
 * POSTHORN_HOST names the server (default "posthorn:2525", on a network that Posthorn trusts). Unlike sendmail with its spool, this way
 * loses nothing silently but has nowhere to keep mail: while Posthorn is down, wp_mail() returns false.
 */
add_action('phpmailer_init', function ($mailer) {
    [$host, $port] = explode(':', getenv('POSTHORN_HOST') ?: 'posthorn') + [1 => '2525'];
    $mailer->isSMTP();
    $mailer->Host = $host;
    $mailer->Port = (int) $port;
    $mailer->SMTPAuth = false;
    $mailer->SMTPAutoTLS = false;      // a private network, and a listener without a certificate
    $mailer->Timeout = 30;
    $mailer->Sender = $mailer->From;   // the envelope's sender, else www-data@ the container's id
});
