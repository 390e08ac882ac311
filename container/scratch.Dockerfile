# The smallest image there is: two static binaries and your own.
#
#   make static
#   podman build -f container/scratch.Dockerfile -t visor target/static/x86_64-unknown-linux-musl
#
# Nothing else is needed: no shell, no /etc/passwd, no /run, no writable root.

FROM scratch
COPY visor svc /

# visor as the init of one command: `docker run IMAGE COMMAND ARGUMENTS`, or CMD [...] in an image built from this one.
# For programs of a file instead: ENTRYPOINT ["/visor", "-c", "/etc/visor.conf"]
# The path is not /sbin/init: podman takes an image with that for one with systemd, and stops it with another signal.
ENTRYPOINT ["/visor", "--"]
