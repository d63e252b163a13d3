import { Button, can, Form, Input, Live, type Page, Pages } from 'moln';
import { Attachment } from '../models/attachment.ts';
import { Comment } from '../models/comment.ts';
import { Issue } from '../models/issue.ts';
import type { Team } from '../models/team.ts';
import type { User } from '../models/user.ts';
import { Layout } from './layout.tsx';
import { nameOf, type People, STATE_CHOICES, StateMark, When, Who } from './parts.tsx';

interface Found {
  team: Team;
  /** What was searched for; empty: nothing. */
  words: string;
  page: Page<Issue>;
  comments: readonly Comment[];
  people: People;
}

export function IssueList({ team, words, page, comments, people }: Found) {
  const title = words === '' ? 'Issues' : `Issues with "${words}"`;
  return (
    <Layout title={`${title} · ${team.name}`} team={team}>
      <div class="head">
        <h1>{title}</h1>
        <a class="button" href={`/teams/${team.id}/issues/new`}>
          New issue
        </a>
      </div>
      {page.total === 0 && <p class="quiet">There are none.</p>}
      <ul class="rows">
        {page.rows.map((issue) => (
          <li>
            <a href={`/issues/${issue.id}`}>{issue.title}</a> <StateMark state={issue.state} />
            <Who people={people} id={issue.assignee_id} />
          </li>
        ))}
      </ul>
      <Pages page={page} />
      {comments.length > 0 && (
        <section aria-labelledby="comments">
          <h2 id="comments">Comments</h2>
          <ul class="rows">
            {comments.map((comment) => (
              <li>
                <a href={`/issues/${comment.issue_id}#comment-${comment.id}`}>
                  {comment.body.slice(0, 100)}
                </a>{' '}
                <Who people={people} id={comment.author_id} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </Layout>
  );
}

function IssueInputs({ issue, people }: { issue?: Issue; people: readonly User[] }) {
  const choices = people.map(({ id, name }) => [id, name] as const);
  return (
    <>
      <Input model={Issue} name="title" row={issue} autofocus={issue === undefined} />
      <Input model={Issue} name="body" row={issue} />
      <Input model={Issue} name="assignee_id" row={issue} choices={choices} />
      <Input model={Issue} name="state" row={issue} choices={STATE_CHOICES} />
    </>
  );
}

export function NewIssue({ team, people }: { team: Team; people: readonly User[] }) {
  return (
    <Layout title="New issue" team={team}>
      <h1>New issue</h1>
      <Form action={`/teams/${team.id}/issues`}>
        <IssueInputs people={people} />
        <button>Open the issue</button>
      </Form>
    </Layout>
  );
}

export function EditIssue({
  team,
  issue,
  people,
}: {
  team: Team;
  issue: Issue;
  people: readonly User[];
}) {
  return (
    <Layout title={`Edit ${issue.title}`} team={team}>
      <h1>Edit the issue</h1>
      <Form action={`/issues/${issue.id}`} method="patch" row={issue}>
        <IssueInputs issue={issue} people={people} />
        <button>Save</button>
      </Form>
    </Layout>
  );
}

interface Whole {
  team: Team;
  issue: Issue;
  comments: readonly Comment[];
  attachments: readonly Attachment[];
  people: People;
}

export async function ShowIssue({ team, issue, comments, attachments, people }: Whole) {
  const path = `/issues/${issue.id}`;
  return (
    <Layout title={issue.title} team={team}>
      <Live of={[Issue]}>
        <h1>{issue.title}</h1>
        <p class="facts">
          <StateMark state={issue.state} /> Opened by <Who people={people} id={issue.author_id} />{' '}
          <When at={issue.created_at} /> · Assigned to{' '}
          <Who people={people} id={issue.assignee_id} />
        </p>
        {issue.body !== null && <p class="text box">{issue.body}</p>}
      </Live>
      <div class="actions">
        {(await can('update', issue)) && (
          <a class="button" href={`${path}/edit`}>
            Edit
          </a>
        )}
        {(await can('delete', issue)) && (
          <Button action={path} method="delete">
            Delete the issue
          </Button>
        )}
      </div>
      <section aria-labelledby="attachments">
        <h2 id="attachments">Attachments</h2>
        <Live of={[Attachment]}>
          <Attachments attachments={attachments} people={people} />
        </Live>
        <Form action={`${path}/attachments`} files class="attach">
          <Input model={Attachment} name="file" />
          <button>Attach</button>
        </Form>
      </section>
      <section aria-labelledby="comments">
        <h2 id="comments">Comments</h2>
        <Live of={[Comment]}>
          <Comments comments={comments} people={people} />
        </Live>
        <Form action={`${path}/comments`}>
          <Input model={Comment} name="body" />
          <button>Say it</button>
        </Form>
      </section>
    </Layout>
  );
}

function Attachments({ attachments, people }: Pick<Whole, 'attachments' | 'people'>) {
  if (attachments.length === 0) return <p class="quiet">None.</p>;
  return (
    <ul class="rows">
      {attachments.map(async (attachment) => {
        const { id, issue_id, author_id, file } = attachment;
        const path = `/issues/${issue_id}/attachments/${id}`;
        return (
          <li>
            <a href={path}>{file.name}</a>{' '}
            <span class="quiet">{Math.ceil(file.size / 1024)} KiB</span>{' '}
            <Who people={people} id={author_id} />
            {(await can('delete', attachment)) && (
              <Button action={path} method="delete" label={`Delete ${file.name}`}>
                Delete
              </Button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Comments({ comments, people }: Pick<Whole, 'comments' | 'people'>) {
  return (
    <ol class="comments">
      {comments.map(async (comment) => (
        <li id={`comment-${comment.id}`} class="box">
          <div class="facts">
            <Who people={people} id={comment.author_id} /> <When at={comment.created_at} />
            {(await can('delete', comment)) && (
              <Button
                action={`/issues/${comment.issue_id}/comments/${comment.id}`}
                method="delete"
                label={`Delete the comment of ${nameOf(people, comment.author_id)}`}
              >
                Delete
              </Button>
            )}
          </div>
          <p class="text">{comment.body}</p>
        </li>
      ))}
    </ol>
  );
}
