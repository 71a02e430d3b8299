package nen

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A baseURL is the address of a server, with a path if it is mounted under one.
type baseURL struct {
	url *url.URL // without a slash at the end of its path
}

func parseBaseURL(text string) (baseURL, error) {
	base, err := url.Parse(text)
	if err != nil {
		return baseURL{}, fmt.Errorf("nen: the base URL: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return baseURL{}, errors.New("nen: the base URL must be one of http or https, with a host")
	}
	if base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "" {
		return baseURL{}, errors.New("nen: the base URL must have no query, fragment or credentials")
	}
	base.RawPath = strings.TrimRight(base.EscapedPath(), "/")
	base.Path, err = url.PathUnescape(base.RawPath)
	return baseURL{base}, err
}

// resolve makes a URL of a path, with a query if it has one, under the base URL; percent-encoded.
func (b baseURL) resolve(path string) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	resolved, err := url.Parse(b.url.String() + path)
	if err != nil {
		return nil, fmt.Errorf("nen: the path: %w", err)
	}
	return resolved, b.check(resolved)
}

// check refuses URLs of other servers, who must not get what is meant for this one.
func (b baseURL) check(u *url.URL) error {
	if u == nil || !strings.EqualFold(u.Scheme, b.url.Scheme) || !strings.EqualFold(u.Hostname(), b.url.Hostname()) ||
		port(u) != port(b.url) {
		return fmt.Errorf("nen: the request is not for the server of this client, which is %s://%s", b.url.Scheme, b.url.Host)
	}
	return nil
}

func port(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
