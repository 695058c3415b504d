// Short links: a page, a small API, a health check. Links live as long as the instance.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// links holds each target under its short name.
type links struct {
	mu      sync.Mutex
	targets map[string]string
	visits  int
}

func (l *links) add(target string) (string, error) {
	parsed, err := url.Parse(target)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return "", errors.New("a link begins with http:// or https://")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := uuid.NewString()[:8]
	l.targets[name] = target
	return name, nil
}

func (l *links) show(w http.ResponseWriter, _ *http.Request) {
	host, _ := os.Hostname()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.visits++
	data := map[string]any{"Title": env("TITLE", "Short links"), "Links": l.targets, "Visits": l.visits, "Instance": host}
	if err := page.Execute(w, data); err != nil {
		slog.Error("page", "error", err)
	}
}

func (l *links) post(w http.ResponseWriter, r *http.Request) {
	name, err := l.add(r.FormValue("target"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	slog.Info("link added", "name", name)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (l *links) follow(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	target, ok := l.targets[r.PathValue("name")]
	l.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, target, http.StatusFound)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	all := &links{targets: map[string]string{}}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", all.show)
	mux.HandleFunc("POST /links", all.post)
	mux.HandleFunc("GET /to/{name}", all.follow)
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"TITLE": os.Getenv("TITLE"), "PORT": os.Getenv("PORT")})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })

	server := &http.Server{Addr: ":" + env("PORT", "8080"), Handler: logged(mux), ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		slog.Info("stopping")
		grace, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	slog.Info("listening", "address", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("ended", "error", err)
		os.Exit(1)
	}
}

// logged writes a line for each request.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since := time.Now()
		next.ServeHTTP(w, r)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "ms", float64(time.Since(since).Microseconds())/1000)
	})
}
