/** A mail server (RFC 5321) that keeps what it is given: for tests that want to see mail as it goes over the wire. */
import { createServer, type Socket } from 'node:net';

export interface MailServer extends AsyncDisposable {
  /** `smtp://127.0.0.1:PORT`. */
  readonly url: string;
  /** Envelope and text of each mail, quoted-printable undone. */
  readonly received: readonly string[];
}

/** `refusals`: so many mails are put off before one is taken. `full`: a recipient whose mailbox is full for the first mail. */
export async function startMailServer(refusals = 0, full = ''): Promise<MailServer> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  let left = refusals;
  let isFull = full !== '';
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => undefined));
    let text = '';
    let mail: string | undefined;
    let envelope = '';
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const command = (line: string): void => {
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === 'EHLO') say('250 localhost');
      else if (verb === 'DATA') {
        mail = '';
        say('354 Go on');
      } else if (verb === 'QUIT') socket.end('221 Bye\r\n');
      else if (verb === 'MAIL' && left-- > 0) say('451 Not now');
      else if (verb === 'RCPT' && isFull && line.includes(full)) {
        isFull = false;
        say('452 Full');
      } else {
        if (verb === 'MAIL' || verb === 'RCPT') envelope += `${line}\n`;
        say('250 Good');
      }
    };
    say('220 localhost');
    socket.on('data', (bytes) => {
      text += bytes.toString();
      for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (mail === undefined) command(line);
        else if (line === '.') {
          received.push(envelope + plain(mail));
          mail = undefined;
          envelope = '';
          say('250 Taken');
        } else mail += `${line.replace(/^\.\./, '.')}\n`;
      }
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `smtp://127.0.0.1:${port}`,
    received,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

function plain(text: string): string {
  return text
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
}
