# The dashboard, then the binary, then an image that holds nothing else.
FROM node:22-slim AS ui
WORKDIR /src/web-ui
COPY web-ui/ ./
RUN if [ -f package.json ]; then npm ci --ignore-scripts && npm run build; else mkdir -p dist; fi

FROM rust:1.95-slim-bookworm AS binary
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
COPY --from=ui /src/web-ui/dist web-ui/dist
RUN cargo build --release --locked && mkdir -p /data

FROM gcr.io/distroless/cc-debian12
COPY --from=binary /src/target/release/tollbridge /usr/local/bin/tollbridge
# Any user of group 0 may write the data folder, and nothing else.
COPY --from=binary --chown=65532:0 --chmod=0775 /data /app/data
ENV APP_DIR=/app/data APP_HOST=0.0.0.0 APP_PORT=8080 LOG_LEVEL=info LOG_STYLE=json
USER 65532:0
EXPOSE 8080
VOLUME /app/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s CMD ["/usr/local/bin/tollbridge", "health"]
ENTRYPOINT ["/usr/local/bin/tollbridge"]
