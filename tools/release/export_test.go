package release

// Between sets what is called at the steps of a release.
func (o *Options) Between(fn func(step, dir string) error) { o.between = fn }

// Gorelease sets the program.
func (o *Options) Gorelease(name string) { o.gorelease = name }
