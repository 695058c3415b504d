# The same application as its author would package it by hand: what warm rebuilds are measured against.
FROM localhost/pluvio/base-static:13
COPY index.html about.html 404.html style.css tides.js healthz /srv/
USER 10001:10001
EXPOSE 8080
CMD ["nginx"]
