# The same application as its author would package it by hand: what warm rebuilds are measured against.
FROM localhost/pluvio/base-go:1.27 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags='-s -w' -o /out/app .

FROM localhost/pluvio/base-run:13
COPY --from=build /out/app /usr/local/bin/app
USER 10001:10001
EXPOSE 8080
CMD ["/usr/local/bin/app"]
