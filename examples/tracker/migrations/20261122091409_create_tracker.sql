CREATE TABLE "users" (
  "id" INTEGER PRIMARY KEY,
  "name" TEXT NOT NULL,
  "email" TEXT NOT NULL,
  "password_digest" TEXT NOT NULL,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
);
CREATE UNIQUE INDEX "users_email_unique" ON "users" ("email");
CREATE TABLE "teams" (
  "id" INTEGER PRIMARY KEY,
  "name" TEXT NOT NULL,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
);
CREATE TABLE "issues" (
  "id" INTEGER PRIMARY KEY,
  "title" TEXT NOT NULL,
  "body" TEXT,
  "state" TEXT NOT NULL DEFAULT 'open',
  "assignee_id" INTEGER REFERENCES "users" ("id") ON DELETE SET NULL,
  "author_id" INTEGER NOT NULL REFERENCES "users" ("id"),
  "team_id" INTEGER NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
  "version" INTEGER NOT NULL DEFAULT 1,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
) /* moln: distribute by team_id */;
CREATE INDEX "issues_assignee_id" ON "issues" ("assignee_id");
CREATE INDEX "issues_author_id" ON "issues" ("author_id");
CREATE INDEX "issues_team_id" ON "issues" ("team_id");
CREATE INDEX "issues_team_id_state" ON "issues" ("team_id", "state");
CREATE TABLE "attachments" (
  "id" INTEGER PRIMARY KEY,
  "file" TEXT NOT NULL,
  "issue_id" INTEGER NOT NULL REFERENCES "issues" ("id") ON DELETE CASCADE,
  "author_id" INTEGER NOT NULL REFERENCES "users" ("id"),
  "team_id" INTEGER NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
) /* moln: distribute by team_id */;
CREATE INDEX "attachments_issue_id" ON "attachments" ("issue_id");
CREATE INDEX "attachments_author_id" ON "attachments" ("author_id");
CREATE INDEX "attachments_team_id" ON "attachments" ("team_id");
CREATE TABLE "comments" (
  "id" INTEGER PRIMARY KEY,
  "body" TEXT NOT NULL,
  "issue_id" INTEGER NOT NULL REFERENCES "issues" ("id") ON DELETE CASCADE,
  "author_id" INTEGER NOT NULL REFERENCES "users" ("id"),
  "team_id" INTEGER NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
) /* moln: distribute by team_id */;
CREATE INDEX "comments_issue_id" ON "comments" ("issue_id");
CREATE INDEX "comments_author_id" ON "comments" ("author_id");
CREATE INDEX "comments_team_id" ON "comments" ("team_id");
CREATE TABLE "memberships" (
  "id" INTEGER PRIMARY KEY,
  "team_id" INTEGER NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
  "user_id" INTEGER NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
  "role" TEXT NOT NULL DEFAULT 'member',
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
) /* moln: distribute by user_id */;
CREATE INDEX "memberships_team_id" ON "memberships" ("team_id");
CREATE INDEX "memberships_user_id" ON "memberships" ("user_id");
CREATE UNIQUE INDEX "memberships_user_id_team_id_unique" ON "memberships" ("user_id", "team_id");
CREATE TABLE "password_resets" (
  "id" INTEGER PRIMARY KEY,
  "user_id" INTEGER NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
  "token_digest" TEXT NOT NULL,
  "expires_at" TEXT NOT NULL,
  "created_at" TEXT NOT NULL,
  "updated_at" TEXT NOT NULL
);
CREATE INDEX "password_resets_user_id" ON "password_resets" ("user_id");
CREATE UNIQUE INDEX "password_resets_token_digest_unique" ON "password_resets" ("token_digest");

-- down
DROP TABLE "password_resets";
DROP TABLE "memberships";
DROP TABLE "comments";
DROP TABLE "attachments";
DROP TABLE "issues";
DROP TABLE "teams";
DROP TABLE "users";
