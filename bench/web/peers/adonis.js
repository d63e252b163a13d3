/** `adonis.js DATABASE PORT`: AdonisJS with Lucid and Edge, without what a new app has besides (sessions, shield, body parser). */
import { Ignitor } from '@adonisjs/core';
import { defineConfig as encryption, drivers } from '@adonisjs/core/encryption';
import { defineConfig as http } from '@adonisjs/core/http';
import { defineConfig as logger } from '@adonisjs/core/logger';
import { defineConfig as databases } from '@adonisjs/lucid';

const [filename, port] = process.argv.slice(2);
Object.assign(process.env, { HOST: '127.0.0.1', PORT: port, NODE_ENV: 'production' });
const appKey = 'not a secret, only long enough for a bench';

const ignitor = new Ignitor(new URL('./', import.meta.url), {
  importer: (path) => import(path.startsWith('.') ? new URL(path, import.meta.url).href : path),
});
ignitor.tap((app) => {
  app.useConfig({
    app: { appKey, http: http({}) },
    encryption: encryption({
      default: 'gcm',
      list: { gcm: drivers.aes256gcm({ keys: [appKey], id: 'gcm' }) },
    }),
    logger: logger({ default: 'app', loggers: { app: { enabled: false } } }),
    hash: { default: 'scrypt', list: {} },
    database: databases({
      connection: 'sqlite',
      connections: {
        sqlite: { client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true },
      },
    }),
  });
  app.rcContents({
    providers: [
      () => import('@adonisjs/core/providers/app_provider'),
      () => import('@adonisjs/core/providers/edge_provider'),
      () => import('@adonisjs/lucid/database_provider'),
    ],
    directories: { views: '.' },
    preloads: [() => import('./adonis-routes.js')],
  });
});
await ignitor.httpServer().start();
