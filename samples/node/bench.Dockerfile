# The same application as its author would package it by hand: what warm rebuilds are measured against.
FROM localhost/pluvio/base-node:22 AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .
RUN npm run build

FROM localhost/pluvio/base-node:22
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app ./
USER 10001:10001
EXPOSE 3000
CMD ["node", "server.js"]
