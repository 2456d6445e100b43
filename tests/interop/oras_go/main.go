// The two ORAS commands that the tests use, built on ORAS's own library.
//
//	copy LAYOUT TAG TARGET   like "oras cp --from-oci-layout LAYOUT:TAG TARGET"
//	push TARGET NAME…        like "oras push TARGET NAME…"; a name is a file or a folder
//
// REGISTRY_LOGIN is "user:password". Prints the digest of the manifest.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/containerd/remotes/docker"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/pkg/content"
	"oras.land/oras-go/pkg/oras"
	"oras.land/oras-go/pkg/target"
)

func main() {
	var descriptor ocispec.Descriptor
	var err error
	switch verb, args := os.Args[1], os.Args[2:]; verb {
	case "copy":
		descriptor, err = copyLayout(args[0], args[1], args[2])
	case "push":
		descriptor, err = push(args[0], args[1:])
	default:
		err = fmt.Errorf("unknown command %q", verb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(descriptor.Digest)
}

func copyLayout(directory, tag, to string) (ocispec.Descriptor, error) {
	layout, err := content.NewOCI(directory)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return copyTo(layout, tag, to)
}

func push(to string, names []string) (ocispec.Descriptor, error) {
	files := content.NewFile("")
	defer files.Close()
	var layers []ocispec.Descriptor
	for _, name := range names {
		layer, err := files.Add(name, "", "")
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		layers = append(layers, layer)
	}
	manifest, descriptor, config, configDescriptor, err := content.GenerateManifestAndConfig(nil, nil, layers...)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := files.Load(configDescriptor, config); err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := files.StoreManifest(to, descriptor, manifest); err != nil {
		return ocispec.Descriptor{}, err
	}
	return copyTo(files, to, to)
}

func copyTo(from target.Target, reference, to string) (ocispec.Descriptor, error) {
	user, password, _ := strings.Cut(os.Getenv("REGISTRY_LOGIN"), ":")
	login := func(string) (string, string, error) { return user, password, nil }
	// ORAS's own resolver would use plain HTTP on loopback.
	overTLS := func(string) (bool, error) { return false, nil }
	registry := docker.NewResolver(docker.ResolverOptions{Hosts: docker.ConfigureDefaultRegistries(
		docker.WithPlainHTTP(overTLS),
		docker.WithAuthorizer(docker.NewDockerAuthorizer(docker.WithAuthCreds(login))),
	)})
	return oras.Copy(context.Background(), from, reference, registry, to)
}
