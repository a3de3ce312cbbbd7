package logging
