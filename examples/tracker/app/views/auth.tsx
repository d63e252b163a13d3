import { Form, Input } from 'moln';
import { Forgotten, NewPassword } from '../models/password_reset.ts';
import { SignIn, SignUp } from '../models/user.ts';
import { Layout } from './layout.tsx';

export function NewUser() {
  return (
    <Layout title="Sign up">
      <h1>Sign up</h1>
      <Form action="/users">
        <Input model={SignUp} name="name" autocomplete="name" />
        <Input model={SignUp} name="email" autocomplete="username" />
        <Input model={SignUp} name="password" autocomplete="new-password" />
        <button>Sign up</button>
      </Form>
    </Layout>
  );
}

export function NewSession() {
  return (
    <Layout title="Sign in">
      <h1>Sign in</h1>
      <Form action="/session">
        <Input model={SignIn} name="email" autocomplete="username" />
        <Input model={SignIn} name="password" autocomplete="current-password" />
        <button>Sign in</button>
      </Form>
      <p>
        <a href="/password/new">I have forgotten my password</a>
      </p>
    </Layout>
  );
}

export function ForgottenPassword() {
  return (
    <Layout title="Forgotten password">
      <h1>Forgotten password</h1>
      <p>A mail with a link will let you choose a new one.</p>
      <Form action="/password">
        <Input model={Forgotten} name="email" autocomplete="username" />
        <button>Send</button>
      </Form>
    </Layout>
  );
}

export function EditPassword({ token }: { token: string }) {
  return (
    <Layout title="New password">
      <h1>New password</h1>
      <Form action="/password" method="patch">
        <input type="hidden" name="token" value={token} />
        <Input model={NewPassword} name="password" autocomplete="new-password" />
        <button>Change it</button>
      </Form>
    </Layout>
  );
}
