"""Which tables are there?

Every table of a resource has ``id``, ``parent`` (the id of the row above), ``sid``, ``created`` and
``updated``; times are milliseconds since 1970. Lists and mappings are kept as JSON.
"""

from typing import Final

#: Tells an emulator's file from any other SQLite file ("Conv" in ASCII).
APPLICATION_ID: Final = 0x436F6E76
VERSION: Final = 4
_COMMON: Final = """id INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL"""
#: Where an account, or a service, sends its webhooks.
_HOOKS: Final = """webhook_method TEXT,
    webhook_filters TEXT,
    pre_webhook_url TEXT,
    post_webhook_url TEXT"""
#: The push notifications: enabled, template and sound of each.
_NOTIFICATIONS: Final = """new_message_badge_count_enabled INTEGER NOT NULL DEFAULT 0,
    new_message_with_media_enabled INTEGER NOT NULL DEFAULT 0,
    new_message_with_media_template TEXT""" + "".join(
    f", {event}_enabled INTEGER NOT NULL DEFAULT 0, {event}_template TEXT, {event}_sound TEXT"
    for event in ("new_message", "added_to_conversation", "removed_from_conversation", "invited_to_channel")
)
SCHEMA: Final = f"""
CREATE TABLE accounts (
    {_COMMON},
    parent INTEGER CHECK (parent IS NULL),
    messaging_service_sid TEXT,
    inactive_timer TEXT,
    closed_timer TEXT,
    {_HOOKS},
    webhook_target TEXT NOT NULL DEFAULT 'webhook'
);
CREATE TABLE services (
    {_COMMON},
    parent INTEGER CHECK (parent IS NULL),
    friendly_name TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0,
    creator_role_sid TEXT,
    participant_role_sid TEXT,
    user_role_sid TEXT,
    reachability_enabled INTEGER NOT NULL DEFAULT 0,
    read_status_enabled INTEGER NOT NULL DEFAULT 1,
    typing_indicator_timeout INTEGER NOT NULL DEFAULT 5,
    consumption_report_interval INTEGER NOT NULL DEFAULT 10,
    limit_members INTEGER NOT NULL DEFAULT 250,
    limit_channels INTEGER NOT NULL DEFAULT 100,
    compatibility_message TEXT,
    {_HOOKS},
    chat_method TEXT,
    chat_filters TEXT,
    chat_pre_url TEXT,
    chat_post_url TEXT,
    chat_pre_retry_count INTEGER NOT NULL DEFAULT 0,
    chat_post_retry_count INTEGER NOT NULL DEFAULT 0,
    log_enabled INTEGER NOT NULL DEFAULT 0,
    {_NOTIFICATIONS}
);
CREATE TABLE roles (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    friendly_name TEXT NOT NULL,
    type TEXT NOT NULL,
    permissions TEXT NOT NULL
);
CREATE INDEX roles_listed ON roles (parent, id);
CREATE TABLE users (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    identity TEXT NOT NULL,
    friendly_name TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    role_sid TEXT,
    UNIQUE (parent, identity)
);
CREATE INDEX users_listed ON users (parent, id);
CREATE TABLE credentials (
    {_COMMON},
    parent INTEGER CHECK (parent IS NULL),
    type TEXT NOT NULL,
    friendly_name TEXT,
    sandbox INTEGER
);
CREATE TABLE addresses (
    {_COMMON},
    parent INTEGER CHECK (parent IS NULL),
    type TEXT NOT NULL,
    address TEXT NOT NULL UNIQUE,
    friendly_name TEXT,
    address_country TEXT,
    auto_enabled INTEGER NOT NULL DEFAULT 0,
    auto_type TEXT NOT NULL DEFAULT 'default',
    auto_service_sid TEXT,
    auto_url TEXT,
    auto_method TEXT,
    auto_filters TEXT,
    auto_flow_sid TEXT,
    auto_retry_count INTEGER
);
CREATE TABLE bindings (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    identity TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    binding_type TEXT NOT NULL,
    credential_sid TEXT,
    message_types TEXT NOT NULL
);
CREATE INDEX bindings_listed ON bindings (parent, id);
CREATE TABLE media (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    filename TEXT
);
CREATE TABLE contents (
    media INTEGER PRIMARY KEY REFERENCES media ON DELETE CASCADE,
    data BLOB NOT NULL
);
CREATE TABLE conversations (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    friendly_name TEXT,
    unique_name TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    type TEXT NOT NULL DEFAULT 'private',
    created_by TEXT NOT NULL DEFAULT 'system',
    state TEXT NOT NULL DEFAULT 'active',
    messaging_service_sid TEXT,
    timer_inactive INTEGER,
    timer_closed INTEGER,
    last_activity INTEGER NOT NULL,
    email_address TEXT,
    email_name TEXT,
    next_position INTEGER NOT NULL DEFAULT 0,
    -- when the next timer fires: both count from one moment
    due INTEGER GENERATED ALWAYS AS (CASE
        WHEN state = 'active' THEN last_activity
            + coalesce(min(timer_inactive, timer_closed), timer_inactive, timer_closed)
        WHEN state = 'inactive' THEN last_activity + timer_closed
    END) VIRTUAL,
    UNIQUE (parent, unique_name)
);
CREATE INDEX conversations_listed ON conversations (parent, state, created, id);
CREATE INDEX conversations_due ON conversations (due) WHERE due IS NOT NULL;
CREATE TABLE participants (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    identity TEXT,
    address TEXT,
    proxy_address TEXT,
    projected_address TEXT,
    role_sid TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    last_read_message_index INTEGER,
    last_read_timestamp INTEGER,
    notification_level TEXT NOT NULL DEFAULT 'default',
    UNIQUE (parent, identity)
);
CREATE INDEX participants_listed ON participants (parent, id);
CREATE INDEX participants_identified ON participants (identity);
CREATE INDEX participants_addressed ON participants (address) WHERE address IS NOT NULL;
CREATE INDEX participants_paired ON participants (address, proxy_address);
CREATE INDEX participants_bound ON participants (parent)
    WHERE address IS NOT NULL OR projected_address IS NOT NULL;
CREATE TABLE invites (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    identity TEXT NOT NULL,
    role_sid TEXT,
    created_by TEXT NOT NULL DEFAULT 'system',
    UNIQUE (parent, identity)
);
CREATE TABLE webhooks (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    target TEXT NOT NULL,
    url TEXT,
    method TEXT,
    filters TEXT,
    triggers TEXT,
    flow_sid TEXT,
    replay_after INTEGER,
    retry_count INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX webhooks_listed ON webhooks (parent, id);
CREATE TABLE messages (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position INTEGER NOT NULL,
    author TEXT NOT NULL,
    participant_sid TEXT,
    body TEXT,
    subject TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    media_sid TEXT UNIQUE,
    media TEXT,
    content_sid TEXT,
    content_variables TEXT,
    channel_metadata TEXT,
    last_updated_by TEXT,
    edited INTEGER NOT NULL DEFAULT 0,
    UNIQUE (parent, position)
);
CREATE TABLE receipts (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    participant_sid TEXT NOT NULL,
    channel_message_sid TEXT NOT NULL,
    status TEXT NOT NULL,
    error_code INTEGER NOT NULL DEFAULT 0,
    due INTEGER
);
CREATE INDEX receipts_listed ON receipts (parent, id);
CREATE INDEX receipts_due ON receipts (due) WHERE due IS NOT NULL;
-- Each row of these views has the id of the participant or binding that a write to it changes.
CREATE VIEW members AS SELECT * FROM participants WHERE identity IS NOT NULL;
CREATE VIEW channels AS SELECT conversations.*,
        (SELECT count(*) FROM members WHERE members.parent = conversations.id) AS members_count,
        (SELECT count(*) FROM messages WHERE messages.parent = conversations.id) AS messages_count
    FROM conversations;
-- A CROSS JOIN keeps its order: by identity first, for a service has more conversations than anybody joins.
CREATE VIEW chat_users AS SELECT users.*,
        (SELECT count(*) FROM participants CROSS JOIN conversations ON conversations.id = participants.parent
            WHERE participants.identity = users.identity AND conversations.parent = users.parent)
            AS joined_channels_count
    FROM users;
CREATE VIEW user_conversations AS SELECT
        participants.id, users.id AS parent, conversations.sid, conversations.unique_name,
        conversations.friendly_name, conversations.state, conversations.attributes, conversations.created_by,
        conversations.created, conversations.updated, conversations.last_activity,
        conversations.timer_inactive, conversations.timer_closed, conversations.type,
        users.sid AS user_sid, participants.sid AS participant_sid, participants.notification_level,
        participants.last_read_message_index, participants.last_read_timestamp,
        CASE WHEN participants.last_read_message_index IS NOT NULL THEN
            (SELECT count(*) FROM messages WHERE messages.parent = conversations.id
                AND position > participants.last_read_message_index)
        END AS unread
    FROM users JOIN participants ON participants.identity = users.identity
    JOIN conversations ON conversations.id = participants.parent AND conversations.parent = users.parent;
CREATE VIEW participant_conversations AS SELECT
        participants.id, conversations.parent, participants.sid, participants.identity, participants.address,
        participants.proxy_address, participants.projected_address, participants.role_sid,
        participants.attributes, participants.created, participants.updated, users.sid AS user_sid,
        conversations.sid AS conversation_sid, conversations.unique_name, conversations.friendly_name,
        conversations.state, conversations.attributes AS conversation_attributes, conversations.created_by,
        conversations.created AS conversation_created, conversations.updated AS conversation_updated,
        conversations.last_activity, conversations.timer_inactive, conversations.timer_closed
    FROM participants JOIN conversations ON conversations.id = participants.parent
    LEFT JOIN users ON users.parent = conversations.parent AND users.identity = participants.identity
    WHERE conversations.type = 'private';
CREATE VIEW user_bindings AS SELECT
        bindings.id, users.id AS parent, bindings.sid, bindings.created, bindings.updated, bindings.identity,
        bindings.endpoint, bindings.binding_type, bindings.credential_sid, bindings.message_types,
        users.sid AS user_sid
    FROM users JOIN bindings ON bindings.parent = users.parent AND bindings.identity = users.identity;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION}
"""  # noqa: S608 - what is put in stands above
