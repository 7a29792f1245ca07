// What every machine has before anything is declared: directories, users, groups. A step may lean on these without
// declaring them. Under `--root` a base directory may be missing: the engine makes it, with the mode given here.

/**
 * Directories that a minimal install of Debian 11–13, Ubuntu 22.04+ and RHEL 9+ has, or that its own packages (openssh,
 * cron, logrotate, sudo, apt or dnf) bring, with their modes. `shared`: others put files of their own right in it and
 * below it, so that `exclusive` and ABSENT on it would take the machine apart.
 */
const directories: readonly (readonly [mode: number, shared: boolean, paths: string])[] = [
  [
    0o755,
    true,
    `/ /bin /boot /etc /home /lib /lib64 /media /mnt /opt /run /sbin /srv /usr /usr/bin /usr/include /usr/lib
    /usr/lib/systemd /usr/lib/systemd/system /usr/lib64 /usr/libexec /usr/local /usr/local/bin /usr/local/etc
    /usr/local/lib /usr/local/sbin /usr/local/share /usr/sbin /usr/share /usr/src /var /var/cache /var/lib /var/log
    /var/opt /var/spool /etc/pam.d /etc/systemd /etc/systemd/system /etc/security /etc/ssh /etc/ssl /etc/skel
    /etc/X11 /etc/xdg /etc/init.d /etc/network /etc/apt /etc/yum.repos.d /etc/dnf /etc/pki /etc/selinux /etc/default
    /etc/sysconfig`,
  ],
  [0o700, true, '/root'],
  [0o1777, true, '/tmp /var/tmp'],
  [
    0o755,
    false,
    `/etc/alternatives /etc/apt/apt.conf.d /etc/apt/keyrings /etc/apt/preferences.d /etc/apt/sources.list.d
    /etc/apt/trusted.gpg.d /etc/binfmt.d /etc/ca-certificates /etc/cron.d /etc/cron.daily /etc/cron.hourly
    /etc/cron.monthly /etc/cron.weekly /etc/dpkg /etc/dpkg/dpkg.cfg.d /etc/environment.d /etc/iproute2
    /etc/kernel /etc/ld.so.conf.d /etc/logrotate.d /etc/modprobe.d /etc/modules-load.d /etc/network/interfaces.d
    /etc/netplan /etc/profile.d /etc/rsyslog.d /etc/security/limits.d /etc/ssh/ssh_config.d /etc/ssh/sshd_config.d
    /etc/ssl/certs /etc/sysctl.d /etc/systemd/network /etc/systemd/user /etc/tmpfiles.d /etc/udev /etc/udev/rules.d
    /etc/update-motd.d /var/backups /var/www`,
  ],
  [0o750, false, '/etc/sudoers.d'],
]

export interface BaseDirectory {
  readonly mode: number
  readonly shared: boolean
}

export const baseDirectories: ReadonlyMap<string, BaseDirectory> = new Map(
  directories.flatMap(([mode, shared, paths]) =>
    paths.split(/\s+/).map(path => [path, { mode, shared }] as const),
  ),
)

/** Users that base-passwd (Debian), setup (RHEL), systemd and openssh bring. */
export const baseUsers: ReadonlySet<string> = new Set(
  `root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc nobody _apt adm shutdown halt
  operator ftp dbus messagebus polkitd tss sshd syslog systemd-network systemd-resolve systemd-timesync
  systemd-coredump systemd-oom chrony _chrony`.split(/\s+/),
)

/** Groups from the same packages. */
export const baseGroups: ReadonlySet<string> = new Set(
  `root daemon bin sys adm tty disk lp mail mem kmem wheel news uucp man proxy dialout fax voice cdrom floppy tape sudo
  audio dip www-data backup operator list irc src shadow utmp utempter video render sasl plugdev staff games users
  nogroup nobody ftp lock input kvm sgx dbus messagebus polkitd tss sshd ssh_keys syslog crontab netdev
  systemd-journal systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-oom chrony
  _chrony _ssh`.split(/\s+/),
)
