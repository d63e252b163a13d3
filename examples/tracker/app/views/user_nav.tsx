import { Button } from 'moln';
import { currentUser } from '../auth.ts';

/** Who is signed in, for the layout. */
export async function UserNav() {
  const user = await currentUser();
  if (user === undefined) {
    return (
      <>
        <a href="/session/new">Sign in</a> <a href="/users/new">Sign up</a>
      </>
    );
  }
  return (
    <>
      <span class="quiet">{user.name}</span>
      <Button action="/session" method="delete">
        Sign out
      </Button>
    </>
  );
}
