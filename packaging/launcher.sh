#!/bin/sh
# bin/fleet of a machine with two slots: runs the current slot's fleet. Of an agent it is the parent: one on trial that
# ends, or gives no proof of life in time, makes way for the old one. Decides that alone; node/slots.ts has the words of
# the file `slots`, which lies beside a/ and b/. Never upgraded itself, so: plain POSIX sh, and little of it.
set -eu
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
home=$(cd "$(dirname "$self")/.." && pwd -P)
# How the agent says: start the slot that is on trial now.
handover=75
starts_max=2

say() { printf 'fleet launcher: %s\n' "$*" >&2; }

load() {
  current='' trial='' id='' tries=0 seconds=300 peers=0 version='' fell=''
  [ -f "$home/slots" ] || return 0
  while IFS='=' read -r key value; do
    case $key in
      current | trial) case $value in a | b) eval "$key=\$value" ;; esac ;;
      tries | seconds | peers) case $value in '' | *[!0-9]*) ;; *) eval "$key=\$value" ;; esac ;;
      id) id=$value ;;
      version) version=$value ;;
      fell) fell=$value ;;
    esac
  done <"$home/slots"
}

# On the disk, or it has not happened.
durable() { sync "$1" 2>/dev/null || sync; }
save() {
  {
    printf 'current=%s\n' "$current"
    [ -z "$trial" ] || printf '%s\n' "trial=$trial" "id=$id" "tries=$tries" "seconds=$seconds" "peers=$peers" "version=$version"
    [ -z "$fell" ] || printf 'fell=%s\n' "$fell"
  } >"$home/slots.new" && durable "$home/slots.new" && mv -f "$home/slots.new" "$home/slots" && durable "$home"
}

proven() { [ -n "$id" ] && [ -f "$home/proof" ] && [ "$(cat "$home/proof")" = "$id" ]; }
settle() {
  say "slot $trial has proved itself"
  current=$trial trial='' fell=''
  save || say "cannot write $home/slots"
}
fall() {
  fell="$version in slot $trial: $1"
  say "back to slot $current: $fell"
  trial=''
  save || say "cannot write $home/slots"
}

stop() {
  trap '' TERM INT HUP
  [ -n "$child" ] || exit 0
  kill -TERM "$child" 2>/dev/null || :
  status=0
  wait "$child" || status=$?
  exit "$status"
}

# One that does not listen to a request gets ten seconds.
end() {
  kill -TERM "$child" 2>/dev/null || :
  left=10
  while [ "$left" -gt 0 ] && kill -0 "$child" 2>/dev/null; do
    sleep 1
    left=$((left - 1))
  done
  kill -KILL "$child" 2>/dev/null || :
}

load
# Whatever became of the file: something must run.
for slot in a b; do
  [ -n "$current" ] && [ -x "$home/$current/bin/fleet" ] || current=$slot
done
case "${1-} ${2-}" in
  'agent ' | 'agent -'*) ;;
  *) exec "$home/$current/bin/fleet" "$@" ;;
esac

child=''
trap stop TERM INT HUP
while :; do
  if [ -n "$trial" ] && proven; then settle; fi
  if [ -n "$trial" ] && [ "$tries" -ge "$starts_max" ]; then fall "no proof of life in $tries starts"; fi
  slot=$current
  if [ -n "$trial" ]; then
    tries=$((tries + 1))
    # What cannot be counted is not tried.
    if save; then slot=$trial; else fall 'the trial could not be written down'; fi
  fi
  FLEET_SLOTS=$home FLEET_SLOT=$slot FLEET_TRIAL=${trial:+$id} "$home/$slot/bin/fleet" "$@" &
  child=$!
  why=''
  left=$seconds
  while [ -n "$trial" ] && kill -0 "$child" 2>/dev/null; do
    if proven; then
      settle
    elif [ "$left" -le 0 ]; then
      why="no proof of life within $seconds s"
      end
    else
      left=$((left - 1))
      sleep 1
    fi
  done
  status=0
  wait "$child" || status=$?
  child=''
  if [ -n "$trial" ] && proven; then settle; fi
  if [ -n "$trial" ]; then
    fall "${why:-ended with $status before it proved itself}"
  elif [ "$status" -eq "$handover" ]; then
    load
  else
    exit "$status"
  fi
done
