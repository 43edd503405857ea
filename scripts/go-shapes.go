// Prints how the Go types of the built-in kinds encode to JSON: field names, types, which are pointers (*), which are left out when
// empty (?). Its output is sandbox/apiserver/strategies/go-shapes.json. Run it in a module that requires k8s.io/api v0.36.3:
//
//	go run go-shapes.go > go-shapes.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var types = map[string]map[string]string{}
var names = map[reflect.Type]string{}

// nameOf is the type's name, with its API group in front where another type has taken the bare one.
func nameOf(t reflect.Type) string {
	if names[t] == "" {
		names[t] = t.Name()
		if types[t.Name()] != nil {
			path := strings.Split(t.PkgPath(), "/")
			names[t] = path[len(path)-2] + "." + t.Name()
		}
	}
	return names[t]
}

func notation(t reflect.Type) string {
	switch t {
	case reflect.TypeOf(metav1.Time{}):
		return "time"
	case reflect.TypeOf(metav1.MicroTime{}):
		return "microtime"
	case reflect.TypeOf(intstr.IntOrString{}):
		return "intstr"
	case reflect.TypeOf(resource.Quantity{}):
		return "quantity"
	case reflect.TypeOf(metav1.FieldsV1{}):
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + notation(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string"
		}
		return "[]" + notation(t.Elem())
	case reflect.Map:
		return "{}" + notation(t.Elem())
	case reflect.Struct:
		visit(t)
		return nameOf(t)
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64, reflect.Int, reflect.Float64:
		return "number"
	}
	return "any"
}

func visit(t reflect.Type) {
	if names[t] != "" {
		return
	}
	fields := map[string]string{}
	types[nameOf(t)] = fields
	collect(t, fields)
}

func collect(t reflect.Type, fields map[string]string) {
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		if tag[0] == "-" {
			continue
		}
		if tag[0] == "" {
			if f.Type != reflect.TypeOf(metav1.TypeMeta{}) {
				collect(f.Type, fields)
			}
			continue
		}
		if tag[0] == "managedFields" {
			continue
		}
		omit := ""
		for _, o := range tag[1:] {
			if o == "omitempty" && f.Type.Kind() != reflect.Struct {
				omit = "?"
			}
			if o == "omitzero" {
				omit = "?"
			}
		}
		fields[tag[0]] = notation(f.Type) + omit
	}
}

func main() {
	for _, o := range []any{corev1.Service{}, corev1.Pod{}, corev1.Node{}, corev1.Namespace{}, corev1.Endpoints{}, corev1.Event{},
		corev1.ConfigMap{}, corev1.Secret{}, corev1.ServiceAccount{}, discoveryv1.EndpointSlice{}, coordinationv1.Lease{}, appsv1.Deployment{}} {
		visit(reflect.TypeOf(o))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.Encode(types)
}
