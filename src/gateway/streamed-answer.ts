/** The head of an upstream's answer on its way to the client, before a body that is streamed. */
import { BODY, type ResponseFraming } from '../http/framing.ts';
import type { ResponseHead } from '../http/head.ts';
import type { AnswerBody } from './answer-body.ts';
import type { Connection } from './connection.ts';
import { HSTS_FIELD } from './https-only.ts';
import {
  type HeadChange,
  interimHeadText,
  putResponseHead,
  responseHeadText,
} from './forward-head.ts';

const UNCHANGED: HeadChange = { drop: [], lines: '' };

/** `requestDone`: the upstream has all of the request. */
export function beginStreamed(
  connection: Connection,
  answer: { readonly head: ResponseHead; readonly body: AnswerBody; readonly requestDone: boolean },
  { drop, lines }: HeadChange = UNCHANGED,
): void {
  const { plane } = connection;
  const { head, body } = answer;
  const framing: ResponseFraming = plane.responseFraming;
  body.start(framing, connection.request.minor);
  const dropped = connection.owner.answerLines === '' ? drop : [...drop, ...HSTS_FIELD];
  // An answer before the end of the request is the last one (RFC 9112 9.3), and its head must say so.
  if (body.toClient === BODY.close || !answer.requestDone) connection.keepAlive = false;
  connection.request.status = head.status;
  connection.request.answering = true;
  const { shape } = connection;
  const options = {
    names: dropped.length === 0 ? framing.names : [...framing.names, ...dropped],
    kind: body.toClient,
    connection: shape === undefined ? connection.connectionLine : '',
    dateLine: plane.dateLine,
    lines,
  };
  const rules = shape?.site.response;
  body.dropped = rules === undefined ? options.names : [...options.names, ...rules.drop];
  if (shape === undefined) {
    putResponseHead(connection.out, head, options);
    return;
  }
  shape.begin(connection, responseHeadText(head, options).slice(0, -2));
  // The coder frames what comes out of it.
  if (connection.out.coder !== undefined) body.toClient = BODY.close;
}

/** 1xx but 101; HTTP/1.0 knows none. */
export function passInterim(connection: Connection, head: ResponseHead): void {
  const framing: ResponseFraming = connection.plane.responseFraming;
  framing.read(head, false);
  if (connection.request.minor === 1) {
    connection.out.text(interimHeadText(head, framing.names));
  }
}
