# The dashboard, then the binary, then an image that holds nothing else (`--target slim`), then one that holds the
# model with which the semantic cache knows similar questions as well.
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

FROM python:3.13-slim AS model
COPY local-embedding/fetch_model.py /
RUN python3 /fetch_model.py /embedding-model

FROM gcr.io/distroless/cc-debian12 AS slim
COPY --from=binary /src/target/release/tollbridge /app/tollbridge
# Any user of group 0 may write the data folder, and nothing else.
COPY --from=binary --chown=65532:0 --chmod=0775 /data /app/data
ENV APP_DIR=/app/data APP_HOST=0.0.0.0 APP_PORT=8080 LOG_LEVEL=info LOG_STYLE=json
USER 65532:0
EXPOSE 8080
VOLUME /app/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s CMD ["/app/tollbridge", "health"]
ENTRYPOINT ["/app/tollbridge"]

FROM slim
# Beside the binary, where it is looked for.
COPY --from=model /embedding-model /app/embedding-model
