#!/bin/sh
# Writes the secrets that came in the environment to files, each in a volume of its own, and makes what is missing.
set -eu
umask 0337

write() { # $1 = file, $2 = content: replaced in one step, so that nobody reads half of it
  rm -f "$1.new"
  printf '%s' "$2" >"$1.new"
  mv -f "$1.new" "$1"
}

cd /run/secrets
write slack/bot_token "${SLACK_BOT_TOKEN:-}"
write slack/app_token "${SLACK_APP_TOKEN:-}"
write slack/signing_secret "${SLACK_SIGNING_SECRET:-}"
write discord/token "${DISCORD_TOKEN:-}"

# What is made here is made once and kept.
made() { # $1 = file
  if [ -s "$1" ]; then cat "$1"; else od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; fi
}

# The stack's own vLLM asks for a key; a server elsewhere has one of its own, or none.
key=${MODEL_KEY:-}
case ${MODEL_URL:-} in
  http://vllm:*) key=${key:-$(made model/key)} ;;
esac
write model/key "$key"
write model/hub_token "${HF_TOKEN:-}"
write grafana/password "$(made grafana/password)"
chmod 0444 grafana/password

# Postgres takes its password when its volume is made, and keeps it: so is it kept here.
password=${POSTGRES_PASSWORD:-$(made database/password)}
if [ -s database/password ] && [ "$(cat database/password)" != "$password" ]; then
  echo "Postgres keeps the password of its first start. Remove POSTGRES_PASSWORD, or change it in Postgres and in the volume." >&2
  exit 1
fi
case $password in
  *[!A-Za-z0-9._~-]*) echo "POSTGRES_PASSWORD may have letters, digits and . _ ~ - only: it becomes a part of a URL." >&2; exit 1 ;;
esac
write database/password "$password"
# Read by the user of Postgres' own image, too.
chmod 0444 database/password
write database/url "${DATABASE_URL:-postgresql+psycopg://lorekeeper:$password@postgres/lorekeeper}"
echo "The secrets are in place."
