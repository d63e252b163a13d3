import { assetPath, Flashes, type PropsWithChildren, Stylesheet } from 'moln';
import type { Team } from '../models/team.ts';
import { UserNav } from './user_nav.tsx';

/** What is around every page. With a team there are links to its parts, and its search. */
export function Layout({
  title,
  team,
  wide = false,
  children,
}: PropsWithChildren<{ title: string; team?: Team; wide?: boolean }>) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{title} · Tracker</title>
        <link rel="icon" href={assetPath('icon.svg')} />
        <Stylesheet name="style.css" />
      </head>
      <body class={wide ? 'wide' : undefined}>
        <a class="skip" href="#main">
          To the content
        </a>
        <header>
          <a class="brand" href="/">
            Tracker
          </a>
          {team && <TeamNav team={team} />}
          <nav aria-label="You" class="you">
            <UserNav />
          </nav>
        </header>
        <main id="main">
          <Flashes />
          {children}
        </main>
      </body>
    </html>
  );
}

function TeamNav({ team }: { team: Team }) {
  return (
    <nav aria-label="Team">
      <a class="team" href={`/teams/${team.id}`}>
        {team.name}
      </a>
      <a href={`/teams/${team.id}/issues`}>Issues</a>
      <a href={`/teams/${team.id}/members`}>Members</a>
      <form action={`/teams/${team.id}/issues`} role="search">
        <input type="search" name="q" aria-label={`Search in ${team.name}`} placeholder="Search" />
      </form>
    </nav>
  );
}
