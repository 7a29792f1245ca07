// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
// A web host as somebody would really declare it: about forty steps, every verb of the language, a real nginx. Data only.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Somebody's key; it opens nothing. */
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGYwOnlLpSyS7mXpVpSuL0cZLVTyFP3mFHsqVQ4XnR3w ann@example.org'

export const roleSteps = `
# Who is here
GROUP deploy gid=2001
USER deploy uid=2001 group=deploy groups=adm keys=files/deploy.keys
GROUP shop system
USER shop system group=shop home=/var/lib/shop
MKDIR /var/lib/shop mode=0750 owner=shop group=shop

# The machine
SYSCTL net.core.somaxconn 8192
SYSCTL net.ipv4.tcp_fin_timeout 20
TEMPLATE files/motd.tmpl /etc/motd
ABSENT /etc/issue.net
LINE /etc/login.defs "UMASK 027" match="^UMASK\\b"
LINE /etc/profile "export EDITOR=vi" match="^export EDITOR="
MODE /usr/bin/chage mode=0755
MKDIR /etc/sudoers.d mode=0750
COPY files/sudoers /etc/sudoers.d/deploy mode=0440 validate="visudo -cf %s"
COPY files/logrotate /etc/logrotate.d/shop

# The web server
MKDIR /var/www mode=0751 group=www-data
MKDIR /var/www/html
PACKAGE nginx
PACKAGE curl hold
TREE files/snippets /etc/nginx/snippets
COPY files/nginx.conf /etc/nginx/nginx.conf validate="nginx -t -q -c %s"
TEMPLATE files/site.tmpl /etc/nginx/sites-available/shop
LINK /etc/nginx/sites-enabled/shop -> ../sites-available/shop
ABSENT /etc/nginx/sites-enabled/default
LINE /etc/nginx/mime.types "    text/plain txt md;" match="^\\s*text/plain\\b"
MODE /etc/nginx/sites-available mode=0750 group=adm
SERVICE nginx running enabled reload-on=/etc/nginx

# The application
UNPACK files/shop.tar /srv/shop version=1 strip=1
MKDIR /etc/shop mode=0755 exclusive ignore=*.local
COPY files/shop.conf /etc/shop/shop.conf mode=0640 group=shop
TEMPLATE files/shop.env /etc/shop/env
LINK /usr/local/bin/shop -> /srv/shop/current/bin/shop
LINK /var/lib/shop/static -> /srv/shop/current/static
RUN "[ ! -x /srv/shop/current/bin/shop ] || /srv/shop/current/bin/shop --index /var/lib/shop/index" shell on=/srv/shop/current,/etc/shop
RUN "install -d -o shop -g shop /var/lib/shop/spool" unless="test -d /var/lib/shop/spool" undo="rm -rf /var/lib/shop/spool /var/lib/shop/index"
COPY files/shop.service /etc/systemd/system/shop.service
SERVICE shop running enabled restart-on=/srv/shop/current,/etc/shop,/etc/systemd/system/shop.service
TIMER shop-tidy "find /var/lib/shop/spool -mtime +1 -delete" every=1h user=shop

# Does it work?
CHECK unit nginx.service
CHECK unit fleet-shop-tidy.timer
CHECK tcp 127.0.0.1:80
CHECK http http://127.0.0.1/ status=200 body="the shop of"
CHECK command "curl -fs http://127.0.0.1/static/page.txt"
`

const site = `server {
  listen 80 default_server;
  server_name \${host.name};
  root /srv/shop/current;
  include snippets/headers.conf;
  location = / { return 200 "the shop of \${host.name}\\n"; }
}
`

export const roleFiles: Readonly<Record<string, string>> = {
  'files/deploy.keys': `${key}\n`,
  'files/motd.tmpl': 'This is ${host.name}, with ${fact.os.id}.\n',
  'files/sudoers': 'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl reload nginx\n',
  'files/logrotate': '/var/log/shop.log {\n  weekly\n  missingok\n}\n',
  'files/snippets/headers.conf': 'add_header X-Shop "1";\n',
  'files/snippets/gone.conf': '# nothing\n',
  'files/nginx.conf': `user www-data;
worker_processes 1;
pid /run/nginx.pid;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types;
  access_log off;
  include /etc/nginx/sites-enabled/*;
}
`,
  'files/site.tmpl': site.replaceAll('\\$', '$'),
  'files/shop.conf': 'secret = none\n',
  'files/shop.env': 'SHOP_HOST=${host.name}\n',
  'files/shop.service': `[Unit]
Description=The shop

[Service]
User=shop
EnvironmentFile=/etc/shop/env
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
`,
}

/** A tar of these files below one folder; a name that ends in \`*\` is executable. */
export function archive(files: Readonly<Record<string, string>>): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'fleet-lab-tar-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, 'top', name.replace('*', ''))
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content, { mode: name.endsWith('*') ? 0o755 : 0o644 })
    }
    const same = ['--owner=0', '--group=0', '--mtime=@1700000000', '--sort=name']
    execFileSync('tar', ['-C', folder, ...same, '-cf', join(folder, 'tar'), 'top'])
    return readFileSync(join(folder, 'tar'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const shop = (version: string) =>
  archive({
    'bin/shop*': `#!/bin/sh\n# version ${version}\necho "index of ${version}" >"$2"\n`,
    'static/page.txt': `page of ${version}\n`,
  })
