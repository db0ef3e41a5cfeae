# The image brings npm; the Node that runs the server is the one pinned in package-lock.json (glibc, so not Alpine).
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

# The program and its pages are built with the tools of development, which stay in this stage.
FROM node:24-bookworm-slim AS built
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.package.json ./
COPY bin ./bin
COPY build ./build
COPY src ./src
COPY providers ./providers
RUN npm run build

FROM debian:bookworm-slim
WORKDIR /app
RUN useradd --uid 10001 --create-home imagegate && mkdir /data && chown imagegate /data
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY --from=built /app/dist ./dist
USER imagegate
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 IMAGEGATE_DATA=/data
VOLUME /data
EXPOSE 8080
# Node is process 1, so SIGTERM reaches it and it drains.
CMD ["node_modules/.bin/node", "bin/gateway.mjs"]
