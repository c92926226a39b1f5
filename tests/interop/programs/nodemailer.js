// Sends one message by nodemailer's sendmail transport: the order comes as JSON in the first argument.
'use strict';
const nodemailer = require('nodemailer');

const order = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport({sendmail: true, ...order.options});
transport.sendMail({
    from: {name: 'Jörg Müller', address: order.from},
    to: order.to,
    bcc: order.bcc,
    subject: order.subject,
    text: order.text,
    attachments: [{filename: 'Übersicht.bin', content: Buffer.from(order.octets, 'base64')}],
}).then(info => console.log(JSON.stringify(info.envelope)), error => {
    console.error(String(error));
    process.exitCode = 1;
});
