package nen

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
)

// A record never holds a key, a signature, a nonce or a body.

func (s *Server) logRefused(r *http.Request, where address, err *Error) {
	level := slog.LevelWarn
	if err.HTTPStatus() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attributes := []slog.Attr{
		slog.String("code", err.String()),
		slog.String("name", err.Name()),
		slog.Int("status", err.HTTPStatus()),
		slog.String("detail", err.Detail),
		slog.String("hint", err.Hint()),
		slog.String("method", printable(r.Method)),
		slog.String("path", printable(where.signed)),
	}
	if err.Cause != nil {
		attributes = append(attributes, slog.String("cause", err.Cause.Error()))
	}
	s.log(r, level, "nen: request refused", attributes...)
}

func (s *Server) logWebSocket(r *http.Request, where address) {
	s.log(r, slog.LevelWarn, "nen: WebSocket refused, since it would not be sealed",
		slog.String("path", printable(where.signed)))
}

func (s *Server) logEndpoint(r *http.Request, endpoint route) {
	events := map[route]string{routeHandshake: "handshake", routeRotate: "rotate", routeTerminate: "terminate"}
	if event, ok := events[endpoint]; ok {
		s.log(r, slog.LevelInfo, "nen: session "+event)
	}
}

func (s *Server) log(r *http.Request, level slog.Level, message string, attributes ...slog.Attr) {
	s.config.log().LogAttrs(context.WithoutCancel(r.Context()), level, message, attributes...)
}

func (c *connection) log(ctx context.Context, level slog.Level, message string) {
	c.logger().LogAttrs(context.WithoutCancel(ctx), level, message,
		slog.String("server", c.base.url.Scheme+"://"+c.base.url.Host))
}

// logRepeat tells why a request is sealed anew: another one has replaced the session, or the clock was corrected.
func (c *connection) logRepeat(ctx context.Context, sid string) {
	if current, err := c.core.sessionID(); err == nil && current == sid {
		c.log(ctx, slog.LevelInfo, "nen: the clock was wrong and is corrected by the server's")
	}
}

// printable lets no request forge a line of the log, or fill it.
func printable(text string) string {
	const longest = 256
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, text)
}
