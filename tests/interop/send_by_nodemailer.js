// Sends one message by nodemailer: the order comes as JSON on standard input.
'use strict';
const fs = require('fs');
const nodemailer = require('nodemailer');

const order = JSON.parse(fs.readFileSync(0, 'utf8'));
const transport = nodemailer.createTransport({
    host: order.host,
    port: order.port,
    name: 'client.example.test',
    secure: order.implicit_tls,
    requireTLS: !order.implicit_tls,
    authMethod: order.mechanism,
    auth: { user: order.user, pass: order.password },
    tls: { ca: fs.readFileSync(order.ca_file) },
    connectionTimeout: 30000,
});
transport.sendMail({
    from: { name: order.sender_name, address: order.sender },
    to: { name: order.recipient_name, address: order.recipient },
    subject: order.subject,
    text: order.text,
    attachments: [{ path: order.file }],
}).then((sent) => {
    if (sent.accepted.length !== 1) throw new Error(JSON.stringify(sent));
}).catch((error) => {
    console.error(error);
    process.exit(1);
});
