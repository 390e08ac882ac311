# nginx and php-fpm in one container, as it is often done with Python's supervisor; each line that changes says what it
# replaces. The configuration file stays what it was.
#
#   make static
#   cp -r container/nginx-php target/static/x86_64-unknown-linux-musl
#   podman build --format docker -f container/debian-nginx-php.Dockerfile target/static/x86_64-unknown-linux-musl

ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}

# Was: ... nginx-light php8.2-fpm supervisor
# The package `supervisor` goes, and the whole of Python with it: some 40 MB.
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update \
 && apt-get install -y --no-install-recommends nginx-light php8.2-fpm \
 && rm -rf /var/lib/apt/lists/*

# New: two files instead of the package. `supervisord` and `supervisorctl` are names they answer to, so that scripts go on
# working as they are.
COPY visor svc /usr/local/bin/
RUN ln -s visor /usr/local/bin/supervisord && ln -s svc /usr/local/bin/supervisorctl

# Was: COPY supervisord.conf /etc/supervisor/conf.d/
# The same file. Only its section [visor] is new, and Supervisor would ignore it.
COPY nginx-php/supervisord.conf /etc/supervisord.conf
COPY nginx-php/nginx.conf nginx-php/php-fpm.conf /etc/
COPY nginx-php/index.php /srv/

# Where svc finds visor, for HEALTHCHECK and `docker exec`.
ENV SVC_SOCKET=/tmp/visor.sock

# Was: none; supervisor ran as root and gave up rights for each program. Any uid will do, with or without a passwd entry.
USER 33:33
EXPOSE 8080

# Was: none, or a script around `supervisorctl status`. Exit code 1 as long as something that should run does not.
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s CMD ["svc", "healthy"]

# TERM is what visor stops at; said here for bases that have another STOPSIGNAL (that of nginx has QUIT, which is as good).
STOPSIGNAL SIGTERM

# Was: CMD ["/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"], often behind tini.
# visor is PID 1 itself: it reaps orphans, and no tini is needed in front of it.
ENTRYPOINT ["/usr/local/bin/visor", "-c", "/etc/supervisord.conf"]
