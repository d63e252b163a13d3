/**
 * Listening sockets from one process to another over a unix socket (SCM_RIGHTS). Node does that for its children alone, so this
 * uses the handles beneath `node:net`, which are not documented: where they are not, `undefined` says so, and nothing is lost
 * but what this is for.
 */
import type { Server, Socket } from 'node:net';
import { nodeBinding, type StreamBinding, streamBinding } from '../net/net.ts';

/** A listening socket of another process; `net.Server` can listen on it. */
export interface ListeningHandle {
  close(): void;
}

interface PipeHandle {
  pendingHandle: ListeningHandle | null;
  onread: (bytes: ArrayBuffer | undefined) => void;
  open(fd: number): number;
  connect(request: object, path: string): number;
  readStart(): number;
  writeUtf8String(request: object, text: string, handle?: object): number;
  close(): void;
}
interface PipeBinding {
  readonly Pipe: new (kind: number) => PipeHandle;
  readonly PipeConnectWrap: new () => object;
  readonly constants: { readonly IPC: number };
}
/** Of one message; more is nobody who should be talking here. */
const LINE_CHARACTERS_MAX = 4096;

export interface HandleChannelEvents {
  /** A line, with the socket that was sent with it. */
  readonly onLine: (line: string, handle: ListeningHandle | undefined) => void;
  /** Once, by whoever ended it. */
  readonly onEnd: () => void;
}

export class HandleChannel {
  readonly #pipe: PipeHandle;
  readonly #stream: StreamBinding;
  #events: HandleChannelEvents | undefined;
  #text = '';
  #handle: ListeningHandle | undefined;
  #isOpen = true;

  private constructor(pipe: PipeHandle, stream: StreamBinding) {
    this.#pipe = pipe;
    this.#stream = stream;
  }

  /** Takes over a socket that was accepted paused. Undefined when this Node cannot do it; the socket is then as it was. */
  static over(socket: Socket): HandleChannel | undefined {
    const { _handle: handle } = socket as unknown as { _handle: { readonly fd?: number } | null };
    const bindings = load();
    if (bindings === undefined || handle?.fd === undefined) return undefined;
    const pipe = new bindings.pipes.Pipe(bindings.pipes.constants.IPC);
    if (pipe.open(handle.fd) !== 0) return undefined;
    // Its handle is not closed, for the file descriptor is the pipe's now. What stays of it costs a few hundred bytes.
    (socket as unknown as { _handle: object | null })._handle = null;
    return new HandleChannel(pipe, bindings.stream);
  }

  /** Undefined when nobody answers there, or this Node cannot do it. */
  static async connect(path: string): Promise<HandleChannel | undefined> {
    const bindings = load();
    if (bindings === undefined) return undefined;
    const pipe = new bindings.pipes.Pipe(bindings.pipes.constants.IPC);
    const status = await new Promise<number>((resolve) => {
      const request = new bindings.pipes.PipeConnectWrap();
      Object.assign(request, { oncomplete: resolve });
      const begun = pipe.connect(request, path);
      if (begun !== 0) resolve(begun);
    });
    if (status === 0) return new HandleChannel(pipe, bindings.stream);
    pipe.close();
    return undefined;
  }

  start(events: HandleChannelEvents): void {
    this.#events = events;
    this.#pipe.pendingHandle = null;
    this.#pipe.onread = (bytes) => this.#read(bytes);
    this.#pipe.readStart();
  }

  /** `server`: whose listening socket goes along; it stays open here too. */
  send(line: string, server?: Server): void {
    if (!this.#isOpen) return;
    const request = new this.#stream.WriteWrap();
    Object.assign(request, {
      async: false,
      oncomplete: (status: number) => {
        if (status !== 0) this.close();
      },
    });
    const handle = (server as { _handle?: object | null } | undefined)?._handle ?? undefined;
    if (this.#pipe.writeUtf8String(request, `${line}\n`, handle) !== 0) this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#handle?.close();
    this.#pipe.close();
    this.#events?.onEnd();
  }

  #read(bytes: ArrayBuffer | undefined): void {
    const { pendingHandle } = this.#pipe;
    this.#pipe.pendingHandle = null;
    if (pendingHandle !== null) {
      this.#handle?.close();
      this.#handle = pendingHandle;
    }
    const size = this.#stream.streamBaseState[this.#stream.kReadBytesOrError] ?? -1;
    if (size < 0 || bytes === undefined) return this.close();
    this.#text += Buffer.from(bytes).toString('utf8', 0, size);
    if (this.#text.length > LINE_CHARACTERS_MAX) return this.close();
    for (;;) {
      const end = this.#text.indexOf('\n');
      if (end < 0 || !this.#isOpen) return;
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      const handle = this.#handle;
      this.#handle = undefined;
      this.#events?.onLine(line, handle);
    }
  }
}

function load(): { readonly pipes: PipeBinding; readonly stream: StreamBinding } | undefined {
  const pipes = nodeBinding('pipe_wrap') as Partial<PipeBinding> | undefined;
  const stream = streamBinding();
  const isThere =
    typeof pipes?.Pipe === 'function' &&
    typeof pipes.PipeConnectWrap === 'function' &&
    pipes.constants?.IPC !== undefined;
  return isThere && stream !== undefined ? { pipes: pipes as PipeBinding, stream } : undefined;
}
