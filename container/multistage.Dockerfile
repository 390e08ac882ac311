# Builds visor from its sources, then an image with nothing else in it. The context is the checkout:
#
#   podman build -f container/multistage.Dockerfile -t visor .

ARG BUILDER=docker.io/library/rust:1-alpine
FROM ${BUILDER} AS build
WORKDIR /src
# The library's crates first, on their own layer: they change less often than the sources.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src/bin && touch src/lib.rs \
 && echo 'fn main() {}' | tee src/main.rs > src/bin/svc.rs \
 && cargo fetch --locked
COPY src src
# The target of this toolchain is musl already, so the binaries are static.
RUN cargo build --release --locked --offline --no-default-features && install -D -t /out target/release/visor target/release/svc

FROM scratch
COPY --from=build /out/ /
ENTRYPOINT ["/visor", "--"]
