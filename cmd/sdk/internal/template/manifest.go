package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// ManifestFile is the file that says what a service was made from. Without it there is no upgrade.
const ManifestFile = ".sdk.json"

// A Manifest is the content of [ManifestFile].
type Manifest struct {
	// Template is the template's module path.
	Template string `json:"template"`
	// Version is the version of it that the service's files are at.
	Version string `json:"version"`
	// Module is the service's module path when it was made: what the template's was replaced by.
	Module string `json:"module"`
	// Name is what the template's name was replaced by.
	Name string `json:"name"`
}

// Format returns the file's text.
func (m Manifest) Format() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	encoder.Encode(m) //nolint:errcheck // four strings into memory
	return b.Bytes()
}

// ErrNoManifest is returned for a folder that is not in a service made by this command.
var ErrNoManifest = errors.New("no " + ManifestFile + " here or in a folder above: this is no service made by sdk new")

// Find reads the manifest in dir or the nearest folder above it, and returns it with that folder.
func Find(dir string) (Manifest, string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return Manifest{}, "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, ManifestFile))
		if err == nil {
			m, err := ParseManifest(data)
			if err != nil {
				return m, dir, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestFile), err)
			}
			return m, dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Manifest{}, "", err
		}
		if dir == filepath.Dir(dir) {
			return Manifest{}, "", fmt.Errorf("%s: %w", start, ErrNoManifest)
		}
	}
}

// ParseManifest reads and checks a manifest. Unknown members are an error: they are of a newer command, which upgrade
// would lose.
func ParseManifest(data []byte) (Manifest, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var m Manifest
	if err := decoder.Decode(&m); err != nil {
		return m, err
	}
	var faults []error
	if err := module.CheckPath(m.Template); err != nil {
		faults = append(faults, fmt.Errorf("template: %w", err))
	}
	if !semver.IsValid(m.Version) {
		faults = append(faults, fmt.Errorf("version: %q is none", m.Version))
	}
	if err := module.CheckPath(m.Module); err != nil {
		faults = append(faults, fmt.Errorf("module: %w", err))
	}
	if err := CheckName(m.Name); err != nil {
		faults = append(faults, fmt.Errorf("name: %w", err))
	}
	return m, errors.Join(faults...)
}
