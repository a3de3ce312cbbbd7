package main

func writePage() error { return nil }
func render() error { return nil }
