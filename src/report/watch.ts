/** Run folders in, a page on 127.0.0.1 that grows while they train out. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { Event, ReportData } from './data.ts';
import { reportHtml } from './html.ts';
import { EventReader } from './jsonl.ts';

export interface WatchOptions {
  /** Name and folder of each run; a folder that isn't there yet is waited for. */
  runs: { name: string; dir: string }[];
  /** What stands around the curves; asked for anew at each load of the page. */
  about: () => Promise<ReportData>;
  /** 0: any free one. */
  port: number;
  /** Milliseconds between looks at the files. */
  interval?: number;
}

export interface Watching {
  url: string;
  /** Ends the server and its open connections. */
  close(): Promise<void>;
}

export async function watchRuns({ runs, about, port, interval = 500 }: WatchOptions): Promise<Watching> {
  const followed = runs.map(({ name, dir }) => ({
    name,
    events: [] as Event[],
    reader: new EventReader(join(dir, 'metrics.jsonl')),
  }));
  const clients = new Set<ServerResponse>();
  const send = (client: ServerResponse, message: object) => client.write(`data: ${JSON.stringify(message)}\n\n`);

  const look = async () => {
    for (const run of followed) {
      const { events, reset } = await run.reader.next();
      if (reset) run.events = [];
      run.events.push(...events);
      if (events.length > 0 || reset) for (const client of clients) send(client, { run: run.name, events, reset });
    }
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    // A page of another site must not read runs through the reader's browser.
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
      response.writeHead(403).end('only from this machine');
    } else if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      for (const { name, events } of followed) send(response, { run: name, events, reset: true });
      clients.add(response);
      response.on('close', () => clients.delete(response));
    } else if (pathname === '/') {
      about()
        .then((data) => {
          const html = reportHtml({ ...data, live: true, runs: data.runs.map((run) => ({ ...run, events: [] })) });
          response
            .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
            .end(html);
        })
        .catch((error: Error) => response.writeHead(500, { 'content-type': 'text/plain' }).end(error.message));
    } else response.writeHead(404, { 'content-type': 'text/plain' }).end('not here');
  });
  await listen(server, port);

  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(look).catch(() => {});
  }, interval);
  await look();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      clearInterval(timer);
      for (const client of clients) client.end();
      server.close();
      server.closeAllConnections();
      await looking;
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message =
      code === 'EADDRINUSE' ? `port ${port} is taken` : `can't listen on port ${port}: ${(cause as Error).message}`;
    throw new MillraceError('environment', message, {
      hint: 'choose another with --port, or any free one with --port 0',
      cause,
    });
  }
}
