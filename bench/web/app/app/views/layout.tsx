import { Flashes, type PropsWithChildren, Stylesheet } from 'moln';

export function Layout({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{title} · Bench</title>
        <Stylesheet name="style.css" />
      </head>
      <body>
        <header>
          <a href="/">Bench</a>
        </header>
        <main>
          <Flashes />
          {children}
        </main>
      </body>
    </html>
  );
}
